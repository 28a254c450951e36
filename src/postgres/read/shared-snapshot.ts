import { AuditError } from '../../errors.js'
import type { Connection } from '../connection.js'

const BEGIN = 'begin isolation level repeatable read, read only'

/** What another session needs in order to see the same: it holds as long as the first transaction is open. */
export interface SharedSnapshot {
  readonly id: string
  /** When the server was started: an identifier means nothing to another one. */
  readonly startedAt: string | undefined
}

/** Begins a transaction whose snapshot others may share. */
export async function exportSnapshot(connection: Connection): Promise<SharedSnapshot> {
  const id = await connection.run(async (client) => {
    await client.query(BEGIN)
    const { rows } = await client.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot')
    return rows[0]?.snapshot ?? ''
  })
  return { id, startedAt: connection.facts?.startedAt }
}

/**
 * Begins a transaction with the snapshot of another session.
 *
 * @throws AuditError `AUDIT_UNAVAILABLE` where a balancer has led to another server
 */
export async function importSnapshot(
  connection: Connection,
  { id, startedAt }: SharedSnapshot,
): Promise<void> {
  if (connection.facts?.startedAt !== startedAt) {
    throw new AuditError('AUDIT_UNAVAILABLE', 'the two connections reached different servers', {
      remedy: 'Use the address of one server, and not that of a load balancer or of a reader endpoint.',
    })
  }
  await connection.run(async (client) => {
    await client.query(BEGIN)
    await client.query(`set transaction snapshot '${id}'`)
  })
}
