"""A page as a tree, read as strictly as a browser's console would complain."""

import base64
import hashlib
import re
import xml.etree.ElementTree as tree

import html5lib


def read(page: str) -> tree.Element:
    """The page as elements. AssertionError for anything that the HTML standard calls a parse error."""
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    root: tree.Element = parser.parse(page)
    # what html5lib knows of SVG is that of 2011: its own elements in it are no errors of the page
    assert not parser.errors, parser.errors[:5]
    return root


def text_of(element: tree.Element) -> str:
    return "".join(element.itertext())


def policy_of(root: tree.Element) -> str:
    metas = [one for one in root.iter("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert len(metas) == 1
    return str(metas[0].get("content"))


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def assert_closed(page: str) -> tree.Element:
    """Nothing leaves the page: policy with the hashes of its own parts, no address, no handler, no style attribute."""
    root = read(page)
    policy = policy_of(root)
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "*" not in policy
    scripts, styles = list(root.iter("script")), list(root.iter("style"))
    assert len(scripts) == 1 and len(styles) == 1 and scripts[0].attrib == {}
    assert f"script-src {hash_of(str(scripts[0].text))};" in policy
    assert f"style-src {hash_of(str(styles[0].text))};" in policy
    ids = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            name = str(name).rpartition("}")[2].lower()
            assert not name.startswith("on") and name not in ("style", "src", "srcset", "action", "formaction"), name
            if name == "href":
                assert value.startswith("#"), value
            if name == "id":
                assert value not in ids, f"id {value} twice"
                ids.add(value)
    for element in root.iter():
        for name in ("href", "aria-labelledby", "data-row"):
            wanted = element.get(name)
            assert wanted is None or wanted.lstrip("#") in ids, f"{name}={wanted} leads nowhere"
    own = {str(scripts[0].text), str(styles[0].text)}
    assert not any(re.search(r"https?://|@import|url\(", text) for text in own)
    for forbidden in ("img", "iframe", "object", "embed", "link", "base", "audio", "video", "use", "foreignObject"):
        assert not list(root.iter(forbidden)), forbidden
    return root
