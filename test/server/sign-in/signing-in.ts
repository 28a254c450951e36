import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { oidcSignIn, type ServeOptions, type SignInOptions } from 'otel-audit/server'
import { temporaryDirectory } from '../../spool/directories.js'
import { type Served, served } from '../served.js'

export const SECRET = 'canary-client-secret-9d1f'

/** A port that was free a moment ago: the issuer has to know where the browser comes back to. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function secretFile(): string {
  const file = join(temporaryDirectory(), 'secret')
  writeFileSync(file, `${SECRET}\n`)
  return file
}

/** A server that people sign in to. */
export async function servedWithSignIn(
  databaseUrl: string,
  issuer: string,
  { port, ...given }: Partial<SignInOptions> & { readonly port?: number } = {},
  more: Partial<ServeOptions> = {},
): Promise<Served> {
  const at = port ?? (await freePort())
  const signIn = await oidcSignIn({
    issuer,
    clientId: 'console',
    clientSecretFile: secretFile(),
    redirectUrl: `http://127.0.0.1:${at}/auth/callback`,
    role: 'audit-reader',
    roleClaim: 'roles',
    ...given,
  })
  return served(databaseUrl, { signIn, port: at, ...more })
}
