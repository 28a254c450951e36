import { readFile, stat } from 'node:fs/promises'
import type { SecureContextOptions } from 'node:tls'
import { createSecureContext } from 'node:tls'
import { AuditError } from '../errors.js'

export interface TlsFiles {
  /** Certificate chain, PEM. */
  readonly cert: string
  /** Its private key, PEM. */
  readonly key: string
  /** Authorities of client certificates, PEM. Undefined: none is asked for. */
  readonly clientCa?: string | undefined
}

/** @throws AuditError `AUDIT_INVALID_OPTION` when a file cannot be read, or certificate and key are none, or do not belong together */
export async function readTls({ cert, key, clientCa }: TlsFiles): Promise<SecureContextOptions> {
  const options: SecureContextOptions = {
    cert: await read('tlsCert', cert),
    key: await read('tlsKey', key),
    ...(clientCa !== undefined && { ca: await read('tlsClientCa', clientCa) }),
    minVersion: 'TLSv1.2',
  }
  try {
    createSecureContext(options)
  } catch (cause) {
    const message =
      'tlsCert, tlsKey and tlsClientCa cannot be used: they must be PEM, and the key that of the certificate'
    throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'tlsCert', cause })
  }
  return options
}

/** Changes when one of the files does. */
export async function versionOfTls({ cert, key, clientCa }: TlsFiles): Promise<string> {
  const files = [cert, key, ...(clientCa === undefined ? [] : [clientCa])]
  const found = await Promise.all(files.map((file) => stat(file).catch(() => undefined)))
  return found.map((one) => (one === undefined ? '-' : [one.mtimeMs, one.size, one.ino].join())).join('/')
}

async function read(field: string, file: string): Promise<Buffer> {
  return readFile(file).catch((cause: unknown) => {
    const why = String((cause as { code?: unknown }).code)
    throw new AuditError('AUDIT_INVALID_OPTION', `${field}: the file ${file} cannot be read (${why})`, {
      field,
      cause,
    })
  })
}
