import { readAnchors } from '../../../src/verify/anchor-file.js'
import { Anchors } from '../../../src/verify/anchors.js'
import { parseTrust } from '../../../src/verify/trust.js'
import { type Verified, verified } from '../memory-trail.js'
import { ANCHOR_CASES, ANCHORS, NOTES } from './anchors.js'
import { TRUST } from './alterations.js'
import { CASES, tablesOf } from './cases.js'
import { HONEST, OPERATORS, OTHER_OPERATOR, UNICODE_CHAIN, NEXT, WALLET, WITNESS } from './honest.js'
import { PROOFS } from './proofs.js'
import { mixed } from './mixed.js'
import { type Json, NothingToPatch, type Patch, patched, type Tables, trailOf } from './tables.js'

const lines = (values: readonly (Json | object)[]): string =>
  values.map((value) => `${JSON.stringify(value)}\n`).join('')
const pretty = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`
const TRUST_TEXT = `${TRUST.join('\n')}\n`

/** What our verifier makes of tables, a trust file and anchors. */
export async function outcomeOf(
  tables: Tables,
  trust: string,
  anchors?: string,
): Promise<Verified & { exit: number }> {
  const given = new Anchors()
  if (anchors !== undefined) await readAnchors(anchors.split('\n'), given)
  const result = await verified(trailOf(tables), parseTrust(trust), {}, given)
  return { ...result, exit: result.found.length > 0 ? 1 : result.unread.count > 0 ? 2 : 0 }
}

/** As far as every verifier must agree: messages are for people. */
function expectedOf({ found, findings, exit, rows, anchors }: Verified & { exit: number }): object {
  return {
    exit,
    findings: Object.fromEntries([...findings].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    found: found
      .map(({ code, chain, block, auditId }) => ({ code, chain, block, auditId: auditId?.toString() }))
      .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    rows,
    anchors,
  }
}

const MIXED = 150

async function mixedCases(): Promise<object[]> {
  const made: object[] = []
  for (let seed = 1; made.length < MIXED; seed++) {
    const { patch, trust } = mixed(seed)
    const tables = patchedIfAny(patch)
    if (tables !== undefined) {
      made.push({ patch, trust, expected: expectedOf(await outcomeOf(tables, trust)) })
    }
  }
  return made
}

function patchedIfAny(patch: readonly Patch[]): Tables | undefined {
  try {
    return patched(HONEST, patch)
  } catch (error) {
    if (error instanceof NothingToPatch) return undefined
    throw error
  }
}

/** Every file of docs/vectors but its README, by its path there. */
export async function vectorFiles(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  const keys = [WALLET, UNICODE_CHAIN, NEXT].map(({ blocks }) => blocks[0]?.block.writer)
  files.set(
    'honest/keys.json',
    pretty({
      chains: keys,
      enrolment: OPERATORS.map(({ verifierKey }) => verifierKey),
      enrolmentOfAnotherLog: OTHER_OPERATOR.verifierKey,
      witness: WITNESS.verifierKey,
    }),
  )
  files.set('honest/rows.ndjson', lines(HONEST.rows))
  files.set('honest/blocks.ndjson', lines(HONEST.blocks))
  files.set('honest/audit.trust', TRUST_TEXT)
  files.set('honest/notes.txt', NOTES)
  files.set('honest/anchors.jsonl', ANCHORS)
  files.set('honest/expected.json', pretty(expectedOf(await outcomeOf(HONEST, TRUST_TEXT, ANCHORS + NOTES))))
  for (const [name, one] of Object.entries(CASES)) {
    const trust = one.trust === undefined ? TRUST_TEXT : `${one.trust.join('\n')}\n`
    const outcome = await outcomeOf(tablesOf(one), trust)
    const { what, patch } = one
    files.set(`cases/${name}.json`, pretty({ what, trust, patch, expected: expectedOf(outcome) }))
  }
  files.set('mixed.ndjson', lines(await mixedCases()))
  const anchors: Record<string, object> = {}
  for (const [name, { what, anchors: text, exit }] of Object.entries(ANCHOR_CASES)) {
    files.set(`anchors/${name}.jsonl`, text)
    const outcome = await outcomeOf(HONEST, TRUST_TEXT, text).catch(() => undefined)
    anchors[name] = { what, expected: outcome === undefined ? { exit } : expectedOf(outcome) }
  }
  files.set('anchors/expected.json', pretty(anchors))
  for (const [name, { proof }] of Object.entries(PROOFS)) files.set(`proofs/${name}.json`, pretty(proof))
  const verdicts = Object.entries(PROOFS).map(([name, { what, verdict }]) => [name, { what, verdict }])
  files.set('proofs/expected.json', pretty(Object.fromEntries(verdicts)))
  return files
}
