import { execFile } from 'node:child_process'
import { appendFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { serverAccount } from '../../src/cli/run/embedded/account.js'
import { SERVER_ENVIRONMENT } from '../../test/support/postgres/cluster.js'
import type { PostgresServer } from '../../test/support/postgres/server.js'
import type { Installation } from './installation.js'

/**
 * Makes an older server's cluster one of the newer version by `pg_upgrade`, and starts that. Both are running; the older
 * one is stopped for good.
 *
 * @returns the URL of its database there, where the older one's passwords came along
 * @throws Error with what `pg_upgrade` said
 */
export async function upgrade(
  from: { readonly server: PostgresServer; readonly installation: Installation },
  to: { readonly server: PostgresServer; readonly installation: Installation },
  database: string,
): Promise<string> {
  for (const { server } of [from, to]) {
    await server.stop()
    // By a socket in a directory that is closed to others.
    await appendFile(join(server.dataDirectory, 'pg_hba.conf'), 'local all all trust\n')
  }
  const directory = dirname(to.server.dataDirectory)
  const flags = {
    'old-bindir': join(from.installation.directory, 'bin'),
    'new-bindir': join(to.installation.directory, 'bin'),
    'old-datadir': from.server.dataDirectory,
    'new-datadir': to.server.dataDirectory,
    username: 'postgres',
    socketdir: directory,
  }
  await promisify(execFile)(
    join(to.installation.directory, 'bin', 'pg_upgrade'),
    ['--no-sync', ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)],
    { ...serverAccount(), cwd: directory, env: SERVER_ENVIRONMENT },
  ).catch((error: { readonly stdout?: string; readonly message: string }) => {
    throw new Error(`pg_upgrade: ${error.message}\n${error.stdout ?? ''}`)
  })
  await to.server.start()
  const url = new URL(from.server.url(database))
  url.port = String(to.server.port)
  return url.href
}
