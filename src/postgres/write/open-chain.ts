import { wallClock } from '../../host/globals.js'
import { logNameFor } from '../../chain/chain-key.js'
import { WriterChain } from '../../chain/writer-chain.js'
import { VERSION } from '../../version.js'
import type { SinkOwner } from '../../contract/sink.js'
import type { Connection } from '../connection.js'
import { type EnrolmentOptions, checkLogName, enrolmentSigner } from './enrolment.js'

/**
 * A new chain for this process. Nothing is written yet.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` when the log cannot be called so, or its enrolment key cannot be read
 */
export async function openChain(
  connection: Connection,
  options: EnrolmentOptions,
  writer: SinkOwner | undefined,
): Promise<WriterChain> {
  const log = options.origin ?? logNameFor(await databaseName(connection))
  checkLogName(log)
  return new WriterChain({
    log,
    service: writer?.serviceName ?? '',
    instance: writer?.serviceInstanceId ?? '',
    version: VERSION,
    enrolment: enrolmentSigner(log, options),
    now: () => wallClock() * 1000,
    lost: () => writer?.lost ?? 0,
  })
}

async function databaseName(connection: Connection): Promise<string> {
  const { rows } = await connection.run((client) =>
    client.query<{ name: string }>('select current_database() as name'),
  )
  return rows[0]?.name ?? ''
}
