"""Judges a model on both parts of the data: numbers in eval/metrics.json, curves and pictures in eval/plots.

python src/evaluate.py model.pkl data/features
"""

import json
import pickle
import sys
from pathlib import Path

from sklearn import metrics

with open(sys.argv[1], "rb") as stream:
    model = pickle.load(stream)
features, plots = Path(sys.argv[2]), Path("eval/plots")
found = {"avg_prec": {}, "roc_auc": {}}


def write(name, value):
    path = plots / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


for part in ("train", "test"):
    with open(features / f"{part}.pkl", "rb") as stream:
        matrix, labels = pickle.load(stream)
    chances = model.predict_proba(matrix)[:, 1]
    found["avg_prec"][part] = float(metrics.average_precision_score(labels, chances))
    found["roc_auc"][part] = float(metrics.roc_auc_score(labels, chances))
    fpr, tpr, _ = metrics.roc_curve(labels, chances)
    write(f"roc/{part}.json", [{"fpr": float(x), "tpr": float(y)} for x, y in zip(fpr, tpr)])
    precision, recall, _ = metrics.precision_recall_curve(labels, chances)
    write(f"prc/{part}.json", [{"recall": float(x), "precision": float(y)} for x, y in zip(recall, precision)])
    guesses = model.predict(matrix)
    write(f"classes/{part}.json", [{"actual": str(a), "predicted": str(b)} for a, b in zip(labels, guesses.tolist())])

words = json.loads((features / "words.json").read_text())
best = sorted(zip(model.feature_importances_.tolist(), words), reverse=True)[:10]
write("importance.json", [{"word": word, "weight": weight} for weight, word in best])
bars = "".join(
    f'<rect x="90" y="{20 * row}" width="{1000 * weight:.1f}" height="16" fill="#945dd6"/>'
    f'<text x="84" y="{20 * row + 13}" text-anchor="end" font-size="12">{word}</text>'
    for row, (weight, word) in enumerate(best)
)
(plots / "importance.svg").write_text(
    f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="210" viewBox="0 0 400 210">{bars}</svg>\n'
)
Path("eval/metrics.json").write_text(json.dumps(found, indent=1) + "\n")
