"""Write the software bill of materials of the program, mparchive/sbom.cdx.json, from requirements.txt.

It is in the format CycloneDX and a part of the wheel and the image: `make lock`. With `--check`, compare the
packages in it with the lock file, and end with 1 where they differ. The same lock file and the same installed
packages give the same bytes: there is no time and no random number in it.
"""

import argparse
import json
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import License, LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from pins import Pin, pins

ROOT = Path(__file__).resolve().parents[1]
LONGEST_LICENCE = 60  # characters; a longer text in the field is the licence itself, not its name


def url(name: str, version: str) -> PackageURL:
    """Return the package URL of a package on PyPI."""
    return PackageURL("pypi", None, name, version)


def licences(pin: Pin) -> list[License]:
    """Return the licences that the installed package declares; none if this version is not installed."""
    try:
        declared = metadata.metadata(pin.name)
    except metadata.PackageNotFoundError:
        return []
    if declared["Version"] != pin.version:
        return []
    classifiers = [
        classifier.rpartition(" :: ")[2]
        for classifier in declared.get_all("Classifier") or []
        if classifier.startswith("License :: ") and classifier != "License :: OSI Approved"
    ]
    field = declared["License"] or ""
    if declared["License-Expression"]:
        names = [declared["License-Expression"]]
    elif field and len(field) <= LONGEST_LICENCE and "\n" not in field:
        names = [field]
    else:
        names = classifiers
    factory = LicenseFactory()
    return [
        factory.make_from_string(name, license_acknowledgement=LicenseAcknowledgement.DECLARED)
        for name in sorted(set(names))
    ]


def component(pin: Pin) -> Component:
    """Return the entry of one package."""
    address = url(pin.name, pin.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=pin.name,
        version=pin.version,
        bom_ref=str(address),
        purl=address,
        scope=ComponentScope.EXCLUDED if pin.only_builds else ComponentScope.REQUIRED,
        licenses=licences(pin),
    )


def bill(project: dict[str, str], locked: list[Pin]) -> str:
    """Return the bill of materials as JSON."""
    address = url(project["name"], project["version"])
    root = Component(
        type=ComponentType.APPLICATION,
        name=project["name"],
        version=project["version"],
        bom_ref=str(address),
        purl=address,
        licenses=[LicenseFactory().make_from_string(project["license"])],
    )
    components = {pin.name: component(pin) for pin in locked}
    content = "\n".join(str(part.purl) for part in [root, *components.values()])
    bom = Bom(components=components.values(), serial_number=uuid5(NAMESPACE_URL, content))
    bom.metadata.component = root
    for name, part in {project["name"]: root, **components}.items():
        bom.register_dependency(part, [components[pin.name] for pin in locked if name in pin.required_by])
    data = json.loads(JsonV1Dot6(bom).output_as_string())
    del data["metadata"]["timestamp"]  # the library always writes one, and the format does not ask for it
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def differences(written: Path, locked: list[Pin]) -> list[str]:
    """Return the package URLs that only the bill of materials or only the lock file has."""
    try:
        listed = {part["purl"] for part in json.loads(written.read_text(encoding="utf-8"))["components"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{written} cannot be read as a bill of materials: {error!r}") from error
    return sorted(listed ^ {str(url(pin.name, pin.version)) for pin in locked})


def main() -> None:
    """Write the file, or compare it with the lock file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the file with the lock file")
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements.txt")
    parser.add_argument("--file", type=Path, default=ROOT / "mparchive" / "sbom.cdx.json")
    options = parser.parse_args()
    locked = pins(options.lock)
    if not options.check:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        options.file.write_text(bill(project, locked), encoding="utf-8")
    elif found := differences(options.file, locked):
        sys.exit(f"run `make lock`: {options.file.name} and {options.lock.name} differ in {', '.join(found)}")


if __name__ == "__main__":
    main()
