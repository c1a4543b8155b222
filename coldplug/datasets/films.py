"""What the MovieLens releases share: how they write titles, lists of people, writers' credits, zip codes."""

from __future__ import annotations

import re

# Articles of the languages MovieLens titles come in, as they follow the comma in "Usual Suspects, The".
ARTICLES = (
    *("The", "A", "An", "Le", "La", "Les", "L'", "Un", "Une", "El", "Los", "Las", "Il", "Lo", "Gli", "I"),
    *("Der", "Die", "Das", "De", "Det", "Den", "En", "O", "Os", "As"),
)

_ARTICLE = "|".join(ARTICLES)
_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
_MOVED_ARTICLE = re.compile(rf"(?P<title>[^()]+), (?P<article>{_ARTICLE})(?P<rest>$|\s*\(.*$)")
_LAST_PARENTHESES = re.compile(r"^(?P<name>[^(]*?)\s*\((?P<role>.*)\)\s*$")

# What a writer's credit names when the film was made from a work that was there before it.
SOURCE_WORDS = frozenset(
    """
    novel novels novella novelette book books play plays stageplay story stories character
    characters comic comics cartoon cartoons manga poem poems article articles memoir memoirs
    autobiography biography diary diaries musical opera operetta libretto series radio fable tale
    tales fairytale legend strip games game letter letters monologue writings serial classic song
    album film films based inspired suggested
    """.split()  # noqa: SIM905
)
_NO_SOURCE = re.compile(
    r"screen\s*play|teleplay|screen\s*stor(?:y|ies)|\badditional\b.*"
    r"|stor(?:y|ies) (?:development|sequences|supervisor)"
)


def split_title(raw: str) -> tuple[str, int | None]:
    """`"Usual Suspects, The (1995)"` -> `("The Usual Suspects", 1995)`; the year is None if there is none."""
    match = _YEAR.search(raw)
    year = int(match.group(1)) if match else None
    title = raw[: match.start()] if match else raw
    return _article_first(title.strip()), year


def _article_first(title: str) -> str:
    moved = _MOVED_ARTICLE.match(title)
    if moved:
        article = moved["article"]
        gap = "" if article.endswith("'") else " "
        title = f"{article}{gap}{moved['title']}{moved['rest']}"
    # "Hate (Haine, La)": the title in brackets moved its article too
    inner = re.search(rf"\(([^()]+), ({_ARTICLE})\)", title)
    if inner:
        gap = "" if inner[2].endswith("'") else " "
        title = f"{title[: inner.start()]}({inner[2]}{gap}{inner[1]}){title[inner.end() :]}"
    return re.sub(r"\s+\)", ")", title)


def split_names(text: str) -> list[str]:
    """Split at commas outside parentheses; "N/A" and repetitions are dropped, "Jr." stays with its name."""
    parts: list[str] = []
    depth, current = 0, ""
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth <= 0:
            parts.append(current)
            current, depth = "", 0
        else:
            current += char
    parts.append(current)
    names: list[str] = []
    for part in (p.strip() for p in parts):
        if part in ("", "N/A"):
            continue
        if names and re.fullmatch(r"(Jr|Sr)\.?|I{2,3}|IV", part):
            names[-1] = f"{names[-1]}, {part}"
        elif part not in names:
            names.append(part)
    return names


def split_credits(text: str) -> tuple[list[str], list[str]]:
    """Writers' names, and the credits ("Chris Van Allsburg (book)") whose role names a source work, verbatim.

    `"Erika Holzer (novel), Amanda Silver (screenplay)"` gives
    `(["Erika Holzer", "Amanda Silver"], ["Erika Holzer (novel)"])`.
    """
    names: list[str] = []
    sources: list[str] = []
    for credit in split_names(text):
        match = _LAST_PARENTHESES.match(credit)
        name, role = (match["name"], match["role"]) if match else (credit, "")
        if name and name not in names:
            names.append(name)
        words = re.findall(r"[a-z]+", _NO_SOURCE.sub(" ", role.lower()))
        if SOURCE_WORDS.intersection(words):
            sources.append(credit)
    return names, sources


def region(zip_code: str) -> str:
    """ "4xxxx" for a United States zip code, whose first digit is a group of states; "other" elsewhere."""
    return zip_code[0] + "xxxx" if zip_code[:1].isdigit() else "other" if zip_code else ""
