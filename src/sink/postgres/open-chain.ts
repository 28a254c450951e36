import { readFile } from 'node:fs/promises'
import { enrolmentKeyName, logNameFor } from '../../chain/chain-key.js'
import { isKeyName, NoteSigner } from '../../chain/note-key.js'
import { WriterChain } from '../../chain/writer-chain.js'
import { AuditError } from '../../errors.js'
import { VERSION } from '../../version.js'
import type { SinkWriter } from '../sink.js'
import type { Connection } from './connection.js'

/** Whose chain it is. */
export interface ChainIdentity {
  /** Name of the log. Default: from the name of the database. */
  readonly origin: string | undefined
  /** PKCS#8 in PEM. */
  readonly enrolmentKey: string | undefined
  readonly enrolmentKeyFile: string | undefined
}

/**
 * A new chain for this process. Nothing is written yet.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` when the log cannot be called so, or its enrolment key cannot be read
 */
export async function openChain(
  connection: Connection,
  identity: ChainIdentity,
  writer: SinkWriter | undefined,
): Promise<WriterChain> {
  const log = identity.origin ?? logNameFor(await databaseName(connection))
  if (!isKeyName(log)) {
    const message = `origin must be the name of a log, without spaces and plus signs; got ${JSON.stringify(log)}`
    throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'origin' })
  }
  return new WriterChain({
    log,
    service: writer?.serviceName ?? '',
    instance: writer?.serviceInstanceId ?? '',
    version: VERSION,
    enrolment: await enrolmentSigner(log, identity),
    now: () => Date.now() * 1000,
    lost: () => writer?.lost ?? 0,
  })
}

async function databaseName(connection: Connection): Promise<string> {
  const { rows } = await connection.run((client) =>
    client.query<{ name: string }>('select current_database() as name'),
  )
  return rows[0]?.name ?? ''
}

async function enrolmentSigner(
  log: string,
  { enrolmentKey, enrolmentKeyFile }: ChainIdentity,
): Promise<NoteSigner | undefined> {
  const pem = enrolmentKey ?? (enrolmentKeyFile === undefined ? undefined : await keyFile(enrolmentKeyFile))
  if (pem === undefined) return undefined
  try {
    return new NoteSigner(enrolmentKeyName(log), pem)
  } catch (cause) {
    const field = enrolmentKey === undefined ? 'enrolmentKeyFile' : 'enrolmentKey'
    const message = `${field} must be an Ed25519 private key, PKCS#8 in PEM (otel-audit keys create makes one)`
    throw new AuditError('AUDIT_INVALID_OPTION', message, { field, cause })
  }
}

async function keyFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = (error as { code?: unknown }).code
    const message = `enrolmentKeyFile ${path} cannot be read (${String(code)})`
    throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'enrolmentKeyFile' })
  }
}
