"""Writes a made-up data.xml in the form of a Stack Overflow dump: one <row .../> per post, with title, body and tags.

    python3 make_data.py [ROWS] >data/data.xml

Words, users and dates are invented. The same number of rows gives the same bytes on every machine, and a longer file
begins with the rows of a shorter one.
"""

import sys
from random import Random
from xml.sax.saxutils import quoteattr

SYLLABLES = "ba be bi bo da de di do ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se si so".split()
SMALL = "the a is to in of and how it for that this with on my have not be can you use when but from if do what".split()
TOPICS = {
    "r": "dataframe ggplot vector factor lapply regression histogram quantile aggregate".split(),
    "python": "tuple dict django numpy import lambda generator decorator pandas".split(),
    "java": "jvm spring interface thread servlet exception maven static bean".split(),
    "sql": "select join table query index primary key transaction column".split(),
    "c++": "pointer template std compiler header linker reference namespace".split(),
}


def vocabulary(size: int) -> list[str]:
    random = Random(1)
    return SMALL + ["".join(random.choices(SYLLABLES, k=random.randint(2, 4))) for _ in range(size)]


WORDS = vocabulary(3000)
WEIGHTS = [1 / (rank + 3) for rank in range(len(WORDS))]


def text(random: Random, topic: str, count: int) -> str:
    """`count` words; every tenth or so belongs to the topic."""
    words = random.choices(WORDS, WEIGHTS, k=count)
    return " ".join(random.choice(TOPICS[topic]) if random.random() < 0.1 else word for word in words).capitalize()


def row(number: int) -> str:
    random = Random(number)
    topic = random.choice(list(TOPICS))
    paragraphs = [f"<p>{text(random, topic, random.randint(20, 80))}.</p>" for _ in range(random.randint(2, 5))]
    attributes = {
        "Id": 4 + 3 * number,
        "PostTypeId": 1,
        "CreationDate": f"20{8 + number // 3360:02}-{1 + number // 280 % 12:02}-{1 + number // 10 % 28:02}T12:00:00.000",
        "Score": random.randint(-2, 60),
        "ViewCount": random.randint(20, 90000),
        "Body": "\n\n".join(paragraphs) + "\n",
        "OwnerUserId": random.randint(1, 90000),
        "Title": text(random, topic, random.randint(4, 11)) + "?",
        "Tags": f"<{topic}>",
    }
    quoted = (f"{name}={quoteattr(str(value), {chr(34): '&quot;'})}" for name, value in attributes.items())
    return f"  <row {' '.join(quoted)} />"


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    sys.stdout.write('<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
    for number in range(rows):
        sys.stdout.write(row(number) + "\n")
    sys.stdout.write("</posts>\n")


main()
