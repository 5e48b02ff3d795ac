"""MLflow: to the server or store that MLFLOW_TRACKING_URI names, by default one in the working directory.

The experiment is MLFLOW_EXPERIMENT_NAME's, or `convsmith`. Through the client and not `mlflow.start_run`, which keeps
one run for the whole process.
"""

from __future__ import annotations

import os
import time
from importlib import import_module
from typing import Any

from convsmith.train.tracking.writer import About, Writer

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""Unless the environment says otherwise: by default a server that has gone holds each call for minutes."""


class MLflow(Writer):
    """Metrics by epoch, settings as parameters. The id is MLflow's run id."""

    name, module = "mlflow", "mlflow"
    _client: Any
    _run: str

    def begin(self, about: About, known: str | None) -> tuple[str, int]:
        """The server tells how many epochs it has."""
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        self._client = self.imported().MlflowClient()
        if known is not None:
            self._run = known
            metrics = self._client.get_run(known).data.metrics
            self._client.update_run(known, status="RUNNING")
            return known, int(metrics.get("epoch", 0))
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", "convsmith")
        found = self._client.get_experiment_by_name(experiment)
        number = self._client.create_experiment(experiment) if found is None else found.experiment_id
        self._run = self._client.create_run(number, run_name=about.name).info.run_id
        param = import_module("mlflow.entities").Param
        self._client.log_batch(self._run, params=[param(name, str(value)) for name, value in about.settings.items()])
        return self._run, 0

    def epoch(self, number: int, values: dict[str, float]) -> None:
        """In one request."""
        metric, now = import_module("mlflow.entities").Metric, int(time.time() * 1000)
        metrics = [metric(name, float(value), now, number) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def tested(self, epochs: int, values: dict[str, float]) -> None:
        """Metrics at the last epoch."""
        self.epoch(epochs, values)

    def end(self, complete: bool) -> None:
        """FINISHED, or KILLED until it goes on."""
        self._client.set_terminated(self._run, "FINISHED" if complete else "KILLED")
