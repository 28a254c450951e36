import { generateKeyPairSync } from 'node:crypto'
import type { Client } from 'pg'
import { vi } from 'vitest'
import { fakeTimeouts } from '../support/fake-timers.js'
import { enrolmentKeyName } from '../../src/chain/chain-key.js'
import { NoteSigner } from '../../src/chain/note-key.js'
import type { AuditEvent } from '../../src/event/event.js'
import { SNOWFLAKE_EPOCH_MS } from '../../src/event/snowflake.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import type { CommittedBlock } from '../../src/contract/sink.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { waitUntil } from '../support/wait-until.js'

export const ORIGIN = 'otel-audit/wallet'

/** A database that several writers have written to, honestly: one closed, one idle, one killed. */
export interface HonestTrail {
  readonly database: TestDatabase
  /** PKCS#8 in PEM. */
  readonly enrolmentKey: string
  readonly verifierKey: string
  readonly chains: { readonly closed: string; readonly idle: string; readonly killed: string }
  /** Everything that was said of blocks after their commits. */
  readonly blocks: readonly CommittedBlock[]
}

/** Sizes of the blocks that each writer writes. */
export const BATCHES = [3, 1, 5, 2, 8]

const IDLE_AFTER_MS = 1_000

export async function honestTrail(): Promise<HonestTrail> {
  const database = await migratedDatabase()
  // Time stands still while the writers write: on a busy machine one of them would be idle between two of its batches.
  const putBack = fakeTimeouts()
  try {
    return await writtenTo(database)
  } finally {
    putBack()
  }
}

async function writtenTo(database: TestDatabase): Promise<HonestTrail> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const enrolmentKey = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const blocks: CommittedBlock[] = []
  const applicationName = 'otel-audit honest'
  const open = (idleAfterMs: number): PostgresAuditSink => {
    const options = { databaseUrl: database.url, origin: ORIGIN, enrolmentKey, idleAfterMs, applicationName }
    const sink = new PostgresAuditSink(options)
    sink.attach({
      serviceName: 'wallet',
      serviceInstanceId: 'i-1',
      lost: 0,
      onBlock: (block) => blocks.push(block),
      onLostBlocks: () => {},
    })
    return sink
  }
  const [closed, idle, killed] = [open(600_000), open(IDLE_AFTER_MS), open(600_000)]
  // With room between the ids, for an attacker's.
  let auditId = BigInt(Date.now() - SNOWFLAKE_EPOCH_MS) << 22n
  const anAccess = (): AuditEvent => anEvent({}, { auditId: (auditId += 16n) })
  for (const size of BATCHES) {
    for (const sink of [closed, killed, idle]) {
      const result = await sink.write(batchOf(...Array.from({ length: size }, anAccess)))
      if (result.status !== 'committed') throw new Error(JSON.stringify(result))
    }
  }
  const chainOf = (kind: string): string => blocks.findLast((block) => block.kind === kind)?.chain ?? ''
  vi.advanceTimersByTime(IDLE_AFTER_MS)
  await waitUntil('the block of the idle writer', () => chainOf('idle') !== '')
  await closed.close()
  const owner = await connect(database.url)
  // Other test files may have such writers, too, on the same server.
  await owner.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = $1 and datname = current_database()`,
    [applicationName],
  )
  await owner.end()
  const known = { closed: chainOf('close'), idle: chainOf('idle') }
  const chains = new Set(blocks.map(({ chain }) => chain))
  const left = [...chains].find((chain) => chain !== known.closed && chain !== known.idle) ?? ''
  return {
    database,
    blocks,
    enrolmentKey,
    chains: { ...known, killed: left },
    verifierKey: new NoteSigner(enrolmentKeyName(ORIGIN), privateKey).verifierKey,
  }
}

/** What a superuser does before anything else. */
export async function unguard(client: Client): Promise<void> {
  await client.query(`
    do $$ declare relation regclass; begin
      for relation in select tgrelid::regclass from pg_trigger where tgname like 'secret_audit_append_only%' group by 1 loop
        execute format('alter table %s disable trigger all', relation);
      end loop;
    end $$`)
}
