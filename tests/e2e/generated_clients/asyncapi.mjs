// Prints what AsyncAPI's own parser says of the document on standard input.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
const found = diagnostics.map(({ code, severity, message, path }) => ({ code, severity, message, path: path.join(".") }));
const messages = document ? document.allMessages().all().map((each) => each.name()) : null;
console.log(JSON.stringify({ diagnostics: found, messages }));
