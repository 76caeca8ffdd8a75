// Reads a live chain and computes Greeks with the types that openapi-typescript generates from /api/schema.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };

type Problem = components["schemas"]["Problem"];
type LiveValue = components["schemas"]["LiveValue"];

const [baseUrl = "", token = "", underlying = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

function fail(problem: Problem): never {
  throw new Error(`${problem.status} ${problem.detail}`);
}

function delta(value: LiveValue | null): number | null {
  return value !== null && "greeks" in value && value.greeks?.status === "ok" ? value.greeks.delta : null;
}

const { data: chain, error } = await client.GET("/api/v2/signals/realtime/chain/{underlying}", {
  params: { path: { underlying }, query: { strikes: "all" } },
});
if (chain === undefined) fail(error);
const strikes = chain.strikes.map(({ strike, call, put }) => [strike, delta(call), delta(put)]);

const call = chain.strikes[0]?.call?.instrument_key ?? "";
const { data: answer, error: refused } = await client.POST("/api/v2/signals/batch/greeks", {
  body: { items: [call, { instrument_key: call, price: 12.5 }], params: { rate: 0.05 }, as_of: chain.at },
});
if (answer === undefined) fail(refused);
if (!("data" in answer)) throw new Error("an estimate or a job instead of the answer");

const { error: wrong } = await client.GET("/api/v2/signals/realtime/chain/{underlying}", {
  params: { path: { underlying: "no underlying" } },
});
console.log(
  JSON.stringify({
    expiry: chain.expiry,
    source: chain.forward_source,
    strikes,
    rows: answer.data.map((row) => row.instrument_key),
    rate: answer.params.rate,
    wrong: wrong?.errors?.[0]?.field,
  }),
);
