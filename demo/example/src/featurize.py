"""Turns texts into matrices of word weights.

python src/featurize.py data/prepared data/features
"""

import json
import pickle
import sys
from pathlib import Path

import yaml
from sklearn.feature_extraction.text import TfidfVectorizer

with open("params.yaml") as stream:
    params = yaml.safe_load(stream)["featurize"]
source, target = Path(sys.argv[1]), Path(sys.argv[2])
target.mkdir(parents=True, exist_ok=True)
vectorizer = TfidfVectorizer(
    max_features=params["max_features"], ngram_range=(1, params["ngrams"]), stop_words="english"
)
for part in ("train", "test"):
    with open(source / f"{part}.jsonl") as stream:
        posts = [json.loads(line) for line in stream]
    texts = [post["text"] for post in posts]
    matrix = vectorizer.fit_transform(texts) if part == "train" else vectorizer.transform(texts)
    with open(target / f"{part}.pkl", "wb") as stream:
        pickle.dump((matrix, [int(post["is_r"]) for post in posts]), stream)
(target / "words.json").write_text(json.dumps([str(word) for word in vectorizer.get_feature_names_out()]))
