import { wallClock } from '../../host/globals.js'
import { logNameFor } from '../../chain/chain-key.js'
import { WriterChain } from '../../chain/writer-chain.js'
import { VERSION } from '../../version.js'
import type { SinkOwner } from '../../contract/sink.js'
import type { Connection } from '../connection.js'
import { readPlace } from '../place.js'
import { readIdentity } from '../trail-identity.js'
import { type EnrolmentOptions, checkLogName, enrolmentSigner } from './enrolment.js'

/**
 * A new chain for this process. Nothing is written yet.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` when the log cannot be called so, or its enrolment key cannot be read;
 *   `AUDIT_TRAIL` when the trail has no identity
 */
export async function openChain(
  connection: Connection,
  options: EnrolmentOptions & { readonly schema: string },
  writer: SinkOwner | undefined,
): Promise<WriterChain> {
  const log = options.origin ?? logNameFor(await databaseName(connection))
  checkLogName(log)
  const { trail } = await connection.run((client) => readIdentity(client, options.schema))
  const { system } = await connection.run((client) => readPlace(client, options.schema))
  const chain = {
    log,
    service: writer?.serviceName ?? '',
    instance: writer?.serviceInstanceId ?? '',
    version: VERSION,
    trail,
    system: system ?? undefined,
    enrolment: enrolmentSigner(log, options),
    now: () => wallClock() * 1000,
    lost: () => writer?.lost ?? 0,
  }
  return new WriterChain(chain, writer?.continues)
}

async function databaseName(connection: Connection): Promise<string> {
  const { rows } = await connection.run((client) =>
    client.query<{ name: string }>('select current_database() as name'),
  )
  return rows[0]?.name ?? ''
}
