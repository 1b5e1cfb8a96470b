/** What the page reads off a tool's source; the server is the one that parses it. Pure. */

export const NEW_TOOL = `def word_count(text: str) -> str:
    """Count the words of a text.

    Args:
        text: The text to count in.
    """
    return str(len(text.split()))
`;

export const NEW_ANSWER = `from pydantic import BaseModel, Field


class City(BaseModel):
    """What is known about a city."""

    name: str
    country: str
    population: int | None = Field(description="People, as far as known.")
`;

/** The name of the one public function; null while there is none. */
export function toolName(code) {
  return code.match(/^def\s+([A-Za-z]\w*)/m)?.[1] ?? null;
}

/** The first line of its docstring. */
export function toolSummary(code) {
  const body = code.slice(Math.max(0, code.search(/^def\s+[A-Za-z]/m)));
  return body.match(/"""\s*([^\n"]+)/)?.[1].trim() ?? null;
}

/** The name of what a typed answer is: the last class, or a JSON Schema's title. */
export function answerName(text) {
  const classes = [...text.matchAll(/^class\s+(\w+)/gm)];
  if (classes.length > 0) return classes.at(-1)[1];
  return text.match(/"title"\s*:\s*"([^"]+)"/)?.[1] ?? null;
}

const NEEDS = {
  files: /\bopen\(|\bPath\(|\bsqlite3\b|\bread_text\(|\bread_bytes\(/,
  hosts: /\burllib\b|\bhttp\.client\b|\bhttpx\b|\brequests\b|\bsocket\b|https?:\/\//,
};

/** Names the tools that seem to need `files` or `hosts`: by the gallery's word, else by their code. */
export function toolsThatNeed(kind, tools, gallery) {
  const names = [];
  for (const { code } of tools) {
    const name = toolName(code);
    const known = gallery.find((entry) => name !== null && toolName(entry.code) === name);
    if (name && (known ? known.needs === kind : NEEDS[kind].test(code))) names.push(name);
  }
  return names;
}

/** The line that a message speaks of: "line 3: ..." -> 3. */
export function lineOf(message) {
  const line = message?.match(/\bline (\d+)\b/i);
  return line ? Number(line[1]) : null;
}
