"""Splits the posts of a data.xml into train and test: one JSON object per line with the text and whether it is about R.

python src/prepare.py data/data.xml
"""

import json
import random
import re
import sys
import xml.etree.ElementTree
from pathlib import Path

import yaml

with open("params.yaml") as stream:
    params = yaml.safe_load(stream)["prepare"]
random.seed(params["seed"])
folder = Path("data/prepared")
folder.mkdir(parents=True, exist_ok=True)
with open(folder / "train.jsonl", "w") as train, open(folder / "test.jsonl", "w") as test:
    for _, row in xml.etree.ElementTree.iterparse(sys.argv[1]):
        if row.tag == "row":
            text = re.sub(r"<[^>]*>", " ", row.get("Title", "") + " " + row.get("Body", ""))
            post = {"text": " ".join(text.split()), "is_r": "<r>" in row.get("Tags", "")}
            part = test if random.random() < params["split"] else train
            part.write(json.dumps(post) + "\n")
