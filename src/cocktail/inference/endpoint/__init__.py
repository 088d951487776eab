"""Models that answer behind an OpenAI-compatible ``/chat/completions`` address; nothing is asked twice."""

URL = "COCKTAIL_ENDPOINT"  # the variable that says where it is
EXAMPLE = f"{URL} such as http://localhost:8000/v1; /chat/completions follows by itself"
