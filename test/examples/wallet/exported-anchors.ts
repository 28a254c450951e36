import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { OtlpSpan } from '../../../examples/wallet/demo/otlp-receiver.js'
import { type Outcome, verifyReport } from '../../cli/attack.js'
import { unguard } from '../../cli/honest-trail.js'
import { connect, copyOf, type TestDatabase } from '../../support/database.js'

/** The chain with the most blocks of rows. */
const BUSIEST = `(select chain_id from noetl.secret_audit_block where kind = 'data' group by 1 order by count(*) desc limit 1)`

/** What the public keys in the database do not show. */
const ATTACKS: Readonly<Record<string, string>> = {
  'the tail cut': `
    delete from noetl.secret_audit where chain_id = ${BUSIEST} and block_no >= 3;
    delete from noetl.secret_audit_block where chain_id = ${BUSIEST} and block_no >= 3`,
  'a whole chain deleted': `
    delete from noetl.secret_audit where chain_id = ${BUSIEST};
    delete from noetl.secret_audit_block where chain_id = ${BUSIEST}`,
  'an old backup restored': `
    delete from noetl.secret_audit where block_no >= 3;
    delete from noetl.secret_audit_block where block_no >= 3`,
}

/** Holds a trail against the spans that its services exported; then against what is left of it after attacks. */
export async function exportsProveTheTrail(
  database: TestDatabase,
  spans: readonly OtlpSpan[],
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'otel-audit-anchors-'))
  try {
    const file = join(directory, 'traces.jsonl')
    const lines = spans.map((span) =>
      JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
    )
    await writeFile(file, lines.join('\n'))
    const honest = await verifyReport(database.url, '--anchors', file)
    expect([honest.code, honest.found]).toEqual([0, []])
    for (const [name, attack] of Object.entries(ATTACKS)) {
      const [alone, anchored] = await afterwards(database, attack, file)
      expect([alone.code, alone.found], name).toEqual([0, []])
      expect(anchored.code, name).toBe(1)
      expect(new Set(anchored.found.map(({ code }) => code)), name).toEqual(new Set(['anchor-missing']))
    }
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** @returns what is found without and with the anchors */
async function afterwards(
  original: TestDatabase,
  attack: string,
  anchors: string,
): Promise<readonly [Outcome, Outcome]> {
  const database = await copyOf(original)
  const client = await connect(database.url)
  try {
    await unguard(client)
    await client.query(attack)
    return [await verifyReport(database.url), await verifyReport(database.url, '--anchors', anchors)]
  } finally {
    await client.end()
    await database.drop()
  }
}
