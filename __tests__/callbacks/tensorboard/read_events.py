"""Prints the scalars in a folder of event files as TensorBoard itself reads them: JSON, one row a value."""

import json
import sys

from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.util import tensor_util

everything = {"tensors": 0}
multiplexer = EventMultiplexer(size_guidance=everything).AddRunsFromDirectory(sys.argv[1]).Reload()
rows = []
for run in multiplexer.Runs():
    for tag in multiplexer.PluginRunToTagToContent("scalars").get(run, {}):
        for event in multiplexer.Tensors(run, tag):
            value = float(tensor_util.make_ndarray(event.tensor_proto))
            rows.append({"run": run, "tag": tag, "step": event.step, "value": value})
json.dump(rows, sys.stdout)
