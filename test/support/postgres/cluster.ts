import { execFile } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { type Account, serverAccount, temporaryDirectory } from '../../../src/cli/run/embedded/account.js'
import { installedBinaries, runnableBinaries } from '../../../src/cli/run/embedded/binaries.js'
import { guard, release } from './guard.js'

const run = promisify(execFile)

/** A database cluster on disk, not running. */
export interface Cluster {
  /** Unique on this machine; the `cluster_name`, and the name of its directory. */
  readonly name: string
  /** Holds everything: `data`, `log`, and the copied binaries if there had to be any. */
  readonly directory: string
  readonly dataDirectory: string
  readonly logFile: string
  readonly binaries: string
  readonly account: Account
  readonly password: string
  /** It stays when its server is closed, and when the process is gone. */
  readonly isKept: boolean
}

const NAME = 'otel-audit-postgres-'

/**
 * The environment variable that names a cluster which nobody has started, to be copied instead of having `initdb` make
 * another one: a run of tests needs fifty. A copy takes 0.03 s of CPU, `initdb` 0.35 s.
 */
export const CLUSTER_TEMPLATE = 'TEST_CLUSTER_TEMPLATE'

const PASSWORD_FILE = 'password'

/** The environment of the server's processes: none of ours (PGDATA, PGPORT and PGOPTIONS would be heeded). */
export const SERVER_ENVIRONMENT = Object.freeze({ PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' })

/**
 * The superuser needs a password, since a superuser can run programs: a test server must not open this account to
 * everybody on the machine. All other roles are trusted, so that a test can log in as any role it made.
 */
const HOST_BASED_AUTHENTICATION = `\
host all,replication postgres 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
`

/**
 * Makes a cluster in a new temporary directory, which is the watchdog's business from before it exists.
 *
 * @param installation the directory whose `bin` has the binaries, of whatever version. Default: those of the npm package
 * @throws Error with what `initdb` said.
 */
export function createCluster(
  settings: Readonly<Record<string, string>>,
  installation?: string,
): Promise<Cluster> {
  return newCluster(
    settings,
    installation === undefined ? process.env[CLUSTER_TEMPLATE] : undefined,
    installation,
  )
}

/**
 * The cluster that is kept in a directory, made if there is not one yet. Its settings are those that it was made with.
 *
 * @param place can be entered by the account that the server runs as
 */
export async function keptCluster(
  place: string,
  settings: Readonly<Record<string, string>>,
): Promise<Cluster> {
  const account = serverAccount()
  await mkdir(place, { recursive: true })
  const found = (await readdir(place)).find((name) => name.startsWith(NAME))
  if (found === undefined) return await newCluster(settings, undefined, undefined, place)
  const directory = join(place, found)
  await guard(directory, 'kept')
  return {
    ...clusterIn(directory, account),
    binaries: await runnableBinaries(installedBinaries(), account, join(directory, 'postgres')),
    password: await readFile(join(directory, PASSWORD_FILE), 'utf8'),
    isKept: true,
  }
}

/** Makes what {@link CLUSTER_TEMPLATE} names by its directory. Its copies have its password. */
export async function createClusterTemplate(): Promise<Cluster> {
  const cluster = await newCluster({}, undefined)
  await writeFile(join(cluster.directory, PASSWORD_FILE), cluster.password, { mode: 0o600 })
  return cluster
}

/** Removes a cluster that is not running. */
export async function removeCluster({ directory }: Cluster): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  await release(directory)
}

async function newCluster(
  settings: Readonly<Record<string, string>>,
  template: string | undefined,
  installation?: string,
  place?: string,
): Promise<Cluster> {
  const account = serverAccount()
  const isKept = place !== undefined
  const directory = join(place ?? temporaryDirectory(account), `${NAME}${randomBytes(6).toString('hex')}`)
  await guard(directory, isKept ? 'kept' : 'removed')
  try {
    await makeDirectory(directory, account)
    const cluster: Cluster = {
      ...clusterIn(directory, account),
      binaries:
        installation ?? (await runnableBinaries(installedBinaries(), account, join(directory, 'postgres'))),
      account,
      password:
        template === undefined
          ? randomBytes(16).toString('hex')
          : await readFile(join(template, PASSWORD_FILE), 'utf8'),
      isKept,
    }
    await (template === undefined
      ? initialize(cluster, installation === undefined ? HASTE : ANY_VERSION)
      : copy(template, cluster))
    await writeFile(join(cluster.dataDirectory, 'pg_hba.conf'), HOST_BASED_AUTHENTICATION)
    await configure(cluster, settings)
    if (isKept) await writeFile(join(directory, PASSWORD_FILE), cluster.password, { mode: 0o600 })
    return cluster
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    await release(directory)
    throw error
  }
}

function clusterIn(
  directory: string,
  account: Account,
): Pick<Cluster, 'name' | 'directory' | 'dataDirectory' | 'logFile' | 'account'> {
  const files = { dataDirectory: join(directory, 'data'), logFile: join(directory, 'log') }
  return { name: basename(directory), directory, ...files, account }
}

/** Ours alone; or, if we are root, the server's account's, and open to us by being root. */
async function makeDirectory(directory: string, account: Account): Promise<void> {
  await mkdir(directory, { mode: 0o700 })
  if (account.uid !== undefined) await chown(directory, account.uid, account.gid)
}

/** A random password is not guessed, so it needs no stretching; logging in costs next to nothing. Since Postgres 16. */
const HASTE = ['--set=scram_iterations=1'] as const

/** Newer ones have checksums anyway, and `pg_upgrade` wants two clusters alike. */
const ANY_VERSION = ['--data-checksums'] as const

async function initialize(cluster: Cluster, flags: readonly string[]): Promise<void> {
  const { account, binaries, dataDirectory, directory, password } = cluster
  const passwordFile = join(directory, PASSWORD_FILE)
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (account.uid !== undefined) await chown(passwordFile, account.uid, account.gid)
  const layout = ['--encoding=UTF8', '--locale=C', '--username=postgres', `--pwfile=${passwordFile}`]
  const haste = ['--no-sync', '--no-instructions', ...flags]
  await run(join(binaries, 'bin', 'initdb'), ['-D', dataDirectory, ...layout, ...haste], {
    ...account,
    cwd: directory,
    env: SERVER_ENVIRONMENT,
  })
  await rm(passwordFile)
}

async function copy(template: string, { account, dataDirectory }: Cluster): Promise<void> {
  await run('cp', ['-Rp', join(template, 'data'), dataDirectory], {
    ...account,
    cwd: '/',
    env: SERVER_ENVIRONMENT,
  })
}

/** Appends to postgresql.conf: what makes the server a guest on this machine, then the caller's settings. */
async function configure(cluster: Cluster, settings: Readonly<Record<string, string>>): Promise<void> {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    cluster_name: cluster.name,
    // In the data directory, not in /dev/shm, where a killed server would leave it.
    dynamic_shared_memory_type: 'mmap',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
  await writeFile(join(cluster.dataDirectory, 'postgresql.conf'), lines.join(''), { flag: 'a' })
}

/**
 * A port nobody listens on, below the range from which systems give ports to outgoing connections: there, a
 * connection could take the port while the server is stopped, and it could not be started again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
