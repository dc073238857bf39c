// Compiled and never run: what is right, and what must not compile. TypeScript complains of an `@ts-expect-error` on a line
// that has no error.

import { check, Client, EntitledError, Refused } from "entitled";

const handlers = { yes: () => true, no: () => false, notKnown: () => undefined };

export async function right(client: Client): Promise<string> {
  const text: string = await check("acme-cad", {
    yes: (verdict) => (verdict.has("export") ? `export, ${verdict.feature("max_projects", 3)}` : verdict.tier ?? ""),
    no: (verdict) => verdict.code,
    notKnown: ({ error, code }) => (error instanceof Refused ? `${error.reason} ${error.code}` : error?.message ?? code),
  }, { publisher: "RWQ", timeout: 1000 });
  // What a program makes of the three is its own, and has the types of all three.
  const may: boolean | undefined = await client.check("acme-cad", handlers, { waitMs: 0 });
  for await (const it of client.watch("acme-cad", { yes: async () => 1, no: () => "no", notKnown: (): null => null })) {
    const each: number | string | null = it;
    if (each === null && may) break;
  }
  await using seat = await client.seat("acme-cad", { tier: "pro", waitMs: 600_000 });
  const stands: string | null | undefined = await seat.check({
    yes: ({ endsAt }) => endsAt, no: ({ reason }) => reason, notKnown: ({ error }) => error?.message,
  }, { waitMs: 1000 });
  if (stands) await seat.release();
  const result: unknown = await client.call("system_version");
  return text + String(result);
}

export async function wrong(client: Client): Promise<void> {
  // @ts-expect-error: there is no answer without handlers, so there is nothing to test
  const answer = await client.check("acme-cad");
  // @ts-expect-error: and nothing to test at once
  if (await check("acme-cad")) return;
  // @ts-expect-error: a question is not its answer
  if (client.check("acme-cad", handlers)) return;
  const asked = client.check("acme-cad", handlers);
  // @ts-expect-error: nor is it when it has a name
  if (asked) return;
  // @ts-expect-error: "not known" cannot be left out
  await client.check("acme-cad", { yes: () => true, no: () => false });
  // @ts-expect-error: nor in a loop
  for await (const it of client.watch("acme-cad")) void it;
  // @ts-expect-error: who is not entitled has no features to ask for
  await client.check("acme-cad", { ...handlers, no: (verdict) => verdict.has("export") });
  // @ts-expect-error: nor has anybody of whom it is not known
  await client.check("acme-cad", { ...handlers, notKnown: (verdict) => verdict.feature("export") });
  // @ts-expect-error: a verdict has no `valid` to test
  await client.check("acme-cad", { ...handlers, yes: (verdict) => verdict.valid });
  // @ts-expect-error: what was said is read only
  await client.check("acme-cad", { ...handlers, yes: (verdict) => { verdict.tier = "pro"; } });
  // @ts-expect-error: that it may be not known that a seat is held cannot be left out
  await (await client.seat("acme-cad")).check({ yes: () => true, no: () => false });
  // @ts-expect-error: only the library finds that there is no answer
  throw new EntitledError("mine");
}
