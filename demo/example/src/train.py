"""Trains a random forest.

python src/train.py data/features model.pkl
"""

import pickle
import sys
from pathlib import Path

import yaml
from sklearn.ensemble import RandomForestClassifier

with open("params.yaml") as stream:
    params = yaml.safe_load(stream)["train"]
with open(Path(sys.argv[1]) / "train.pkl", "rb") as stream:
    matrix, labels = pickle.load(stream)
model = RandomForestClassifier(
    n_estimators=params["n_est"], min_samples_split=params["min_split"], random_state=params["seed"]
)
model.fit(matrix, labels)
with open(sys.argv[2], "wb") as stream:
    pickle.dump(model, stream)
