"""Models that answer behind an OpenAI-compatible ``/chat/completions`` address; nothing is asked twice."""
