"""Plants code that a later Python would import: in its own folders and in those of its task.

It removes what it plants outside its own folders, so that an escape does no harm.
"""

import json
import os
import site
import sys

code = "import builtins; builtins.planted = True\n"


def plant(folder, names):
    for name in names:
        path = os.path.join(folder, name)
        try:
            os.makedirs(folder, exist_ok=True)
            with open(path, "x") as file:
                file.write(code)
            yield path
        except OSError:
            pass


for folder in json.loads(sys.argv[2])["folders"]:
    for path in plant(folder, ["planted_by_an_agent.pth", "planted_by_an_agent.py"]):
        print("planted in", folder)
        if not os.path.realpath(folder).startswith(os.path.realpath(os.getcwd())):
            os.remove(path)
own = [os.getcwd(), os.path.expanduser("~"), site.getusersitepackages()]
for folder in own:
    if os.path.realpath(folder).startswith(os.path.realpath(os.getcwd())):
        for _ in plant(folder, ["planted.pth", "sitecustomize.py", "usercustomize.py", "json.py"]):
            pass
