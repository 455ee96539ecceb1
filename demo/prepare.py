"""Splits the posts of a data.xml into data/prepared/train.tsv and test.tsv: id, 1 if it is about R, title and text.

python3 src/prepare.py data/data.xml
"""

import os
import random
import re
import sys
import xml.etree.ElementTree

TEST_SHARE = 0.20
SEED = 20170428


def posts(path):
    """Yield one line per post: the text without markup, tabs and line ends."""
    for _, row in xml.etree.ElementTree.iterparse(path):
        if row.tag == "row":
            label = "1" if "<r>" in row.get("Tags", "") else "0"
            text = re.sub(r"<[^>]*>", " ", row.get("Title", "") + " " + row.get("Body", ""))
            yield "\t".join([row.get("Id", ""), label, " ".join(text.split())]) + "\n"
            row.clear()


def main():
    random.seed(SEED)
    folder = os.path.join("data", "prepared")
    os.makedirs(folder, exist_ok=True)
    names = [os.path.join(folder, name) for name in ("train.tsv", "test.tsv")]
    with open(names[0], "w", encoding="utf-8") as train, open(names[1], "w", encoding="utf-8") as test:
        for line in posts(sys.argv[1]):
            (test if random.random() < TEST_SHARE else train).write(line)


main()
