import { generateKeyPairSync } from 'node:crypto'
import { PostgresAuditSink } from 'otel-audit'
import { NoteSigner } from '../../src/chain/note-key.js'
import { enrolmentKeyName } from '../../src/chain/chain-key.js'
import type { AuditFields } from '../../src/event/event.js'
import { coverageRow, gapFields } from '../../src/event/self-rows.js'
import { connect } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { idAt } from '../postgres/adopt/original-table.js'

export const ORIGIN = 'otel-audit/wallet'
export const EXECUTION = 7_216_413_337_829_376n
const QUARTER = Date.UTC(2026, 6, 1)
const DAY = 86_400_000
const MINUTE = 60_000
/** Wednesday, 2026-07-08, at noon of Berlin. */
const WEDNESDAY = Date.UTC(2026, 6, 8, 10)

interface Access extends Partial<AuditFields> {
  readonly at: number
}

/** What a quarter has for each of the questions: somebody new, denied and let in, at night, on one execution. */
const ACCESSES: readonly Access[] = [
  { at: QUARTER - 100 * DAY, credential: 'legacy-ftp', actorId: 'joe' },
  { at: QUARTER - 90 * DAY, credential: 'orders-db', actorId: 'jane' },
  { at: WEDNESDAY, credential: 'orders-db', actorId: 'jane', executionId: EXECUTION },
  { at: WEDNESDAY + MINUTE, credential: 'billing-db', actorId: 'jane', executionId: EXECUTION },
  { at: WEDNESDAY + 2 * MINUTE, credential: 'billing-db', actorId: 'mallory', outcome: 'access_denied' },
  { at: WEDNESDAY + 3 * MINUTE, credential: 'billing-db', actorId: 'mallory', outcome: 'access_denied' },
  { at: WEDNESDAY + 5 * MINUTE, credential: 'billing-db', actorId: 'mallory' },
  { at: WEDNESDAY + 14 * 60 * MINUTE, credential: 'orders-db', actorId: 'joe' },
  { at: WEDNESDAY + 3 * DAY, credential: 'orders-db', workerId: 'batch-1' },
]

interface AuditorTrail {
  /** The text of a trust file. */
  readonly trust: string
  /** PKCS#8 in PEM: what the auditor's own reads are enrolled with. */
  readonly enrolmentKey: string
}

/** A trail of a quarter, of an enrolled service and of one that is not. */
export async function auditorTrail(databaseUrl: string): Promise<AuditorTrail> {
  const client = await connect(databaseUrl)
  await client.query(
    `select noetl.secret_audit_create_partition(month)
     from noetl.secret_audit_missing_months('2026-03-01', greatest('2026-10-01', date_trunc('month', now() at time zone 'UTC'))) month`,
  )
  await client.end()
  const { privateKey } = generateKeyPairSync('ed25519')
  const enrolmentKey = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  let ids = 0
  const write = async (
    serviceName: string,
    key: string | undefined,
    accesses: readonly Access[],
  ): Promise<void> => {
    const sink = new PostgresAuditSink({ databaseUrl, origin: ORIGIN, enrolmentKey: key })
    sink.attach({ serviceName, serviceInstanceId: 'i-1', lost: 0, onBlock: () => {}, onLostBlocks: () => {} })
    const of = { serviceName, serviceInstanceId: 'i-1' }
    const events = accesses.map(({ at, ...fields }) =>
      anEvent(
        { executionId: undefined, ...fields },
        { ...of, occurredAt: at * 1000, auditId: idAt(at, ids++) },
      ),
    )
    await sink.write(batchOf(...events))
    await sink.close()
  }
  const stated = { client: 'node-vault@0.10.2', hook: undefined, node: 'v24', since: '' }
  await write('wallet', enrolmentKey, [
    ...ACCESSES,
    {
      at: WEDNESDAY,
      ...coverageRow({ ...stated, state: 'not_hooked', reason: 'its probe did not come back' }),
    },
    {
      at: QUARTER + 90 * DAY,
      ...coverageRow({ ...stated, state: 'not_hooked', reason: 'its probe did not come back' }),
    },
    { at: WEDNESDAY + MINUTE, ...gapFields('queue_full', { count: 132, first: 1n, last: 2n }) },
  ])
  await write('shadow', undefined, [{ at: WEDNESDAY + DAY, credential: 'orders-db', actorId: 'ghost' }])
  const { verifierKey } = new NoteSigner(enrolmentKeyName(ORIGIN), privateKey)
  return { trust: `origin ${ORIGIN}\nenrolment ${verifierKey}\n`, enrolmentKey }
}
