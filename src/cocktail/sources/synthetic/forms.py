"""How questions are put: the words of instructions and labels, as plain text without any answer.

A real base has met words such as "sentiment" and "bullish"; a tokenizer and a base trained on the rest of
the text alone would see them first in a task and spell them letter by letter.
"""

from __future__ import annotations

import numpy as np

from cocktail.sources.synthetic import agreements, filing_questions, headlines
from cocktail.sources.synthetic.topics import TOPICS
from cocktail.sources.synthetic.words import chance, pick_some

LINES = (
    "What is the sentiment of this financial text: negative, neutral or positive?",
    "What is the sentiment of this tweet: Bearish, Bullish or Neutral?",
    "What is the topic of this tweet?",
    "Answer the question from the context with a number.",
    "Answer the question from the context.",
    "Answer the question with the letter of the right choice.",
    "Solve the word problem step by step.",
    "The answer is a number.",
    "Answer with one of the options.",
    "You are a helpful assistant.",
    "Think, then answer.",
    "Answer in as few words as you can.",
    "Conversations:",
    "positive means good. negative means bad. neutral means neither.",
    "Bullish means hopeful. Bearish means fearful. Neutral means neither.",
    "a person is someone. a location is a place. an organization is a firm.",
    "choices: A. B. C. D.",
    "Options: person, location, organization.",
    filing_questions.CONVERSATION_INSTRUCTION,
    *headlines.QUESTIONS,
    *agreements.WORDINGS,
)


def forms(rng: np.random.Generator) -> str:
    """Six lines about how questions are put, or the topics with what they are about."""
    if chance(rng, 0.4):
        topics = pick_some(rng, TOPICS, 7)
        if chance(rng, 0.5):
            return f"One of: {'; '.join(topic.name for topic in topics)}"
        return " ".join(f"{topic.name}: about {topic.heading}." for topic in topics)
    return " ".join(pick_some(rng, LINES, 6))
