import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TestDatabase } from '../support/database.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { Program } from '../support/program.js'

/** What a process that somebody made a mistake with left behind. */
export interface Outcome {
  readonly code: number | null
  readonly said: string
}

type Environment = Readonly<Record<string, string>>

const REGISTER = ['--import', 'otel-audit/register']
const RECORD = `
  import { Operation, SecretAuditService } from 'otel-audit'
  const audit = SecretAuditService.fromEnv()
  const access = audit.guard({ credential: 'orders-db', operation: Operation.GetCredential }, () => 'canary-9e02')
  await access.catch((error) => console.error(error.message))
`

/** The mistakes of `docs/troubleshooting.md`, each made by a process of its own, as a user would make it. */
export class Mistakes {
  readonly #database: TestDatabase
  readonly #empty: TestDatabase
  readonly #directories: string[] = []

  /** @param empty without tables */
  constructor(database: TestDatabase, empty: TestDatabase) {
    this.#database = database
    this.#empty = empty
  }

  async removeFiles(): Promise<void> {
    await Promise.all(this.#directories.map((directory) => rm(directory, { recursive: true, force: true })))
  }

  /** In the order of the page. */
  readonly all: readonly (readonly [name: string, make: () => Promise<Outcome>])[] = [
    ['a package is missing', () => this.#withoutApi([...REGISTER, '--eval', '1'])],
    ['Node is too old', () => this.#node([...OLD_NODE, ...REGISTER, '--eval', '1'])],
    ['two flags start OpenTelemetry', () => this.#twice()],
    [
      'guard got no function',
      () => this.#app(RECORD.replace("() => 'canary-9e02'", "Promise.resolve('canary-9e02')")),
    ],
    ['nothing starts the pipeline', () => this.#script(RECORD)],
    ['the service is the owner of its trail', () => this.#app(RECORD, { NODE_ENV: 'production', ...STRICT })],
    ['the login lacks a role', () => this.#withoutRole()],
    ['roles cannot be made', () => this.#withoutCreateRole()],
    ['no database is given', () => this.#app(RECORD, { DATABASE_URL: '' })],
    ['a name is misspelt', () => this.#app(RECORD, { NOETL_SECRET_AUDIT_REQIRED: 'true' })],
  ]

  /** The application, under the preload. */
  #app(source: string, env: Environment = {}): Promise<Outcome> {
    return this.#node([...REGISTER, '--input-type=module', '--eval', source], env)
  }

  #script(source: string): Promise<Outcome> {
    return this.#node(['--input-type=module', '--eval', source])
  }

  async #node(args: readonly string[], env: Environment = {}, cwd = packageRoot()): Promise<Outcome> {
    const given = { DATABASE_URL: this.#database.url, OTEL_SERVICE_NAME: 'orders', ...env }
    const program = new Program({ args, cwd, env: given })
    const { code } = await program.exit
    return { code, said: program.stdout + program.stderr }
  }

  /** Beside a package that is installed without the OpenTelemetry API. */
  async #withoutApi(args: readonly string[]): Promise<Outcome> {
    const directory = await realpath(await mkdtemp(join(tmpdir(), 'otel-audit-mistake-')))
    this.#directories.push(directory)
    const own = join(directory, 'node_modules', 'otel-audit')
    await mkdir(own, { recursive: true })
    await cp(join(packageRoot(), 'dist'), join(own, 'dist'), { recursive: true })
    await cp(join(packageRoot(), 'package.json'), join(own, 'package.json'))
    return await this.#node(args, {}, directory)
  }

  #twice(): Promise<Outcome> {
    const both = ['--import', '@opentelemetry/auto-instrumentations-node/register', ...REGISTER]
    return this.#node([...both, '--input-type=module', '--eval', RECORD])
  }

  async #withoutRole(): Promise<Outcome> {
    const role = await this.#role('login')
    return await this.#app(RECORD, { DATABASE_URL: as(this.#database.url, role), ...STRICT })
  }

  async #withoutCreateRole(): Promise<Outcome> {
    const role = await this.#role('login')
    const owner = await connect(this.#empty.url)
    await owner.query(`grant create on database "${this.#empty.name}" to ${role}`)
    await owner.end()
    // A schema whose group roles nobody has made.
    const schema = `s${randomBytes(6).toString('hex')}`
    const args = ['dist/cli/main.js', 'migrate', '--roles', '--schema', schema]
    return await this.#node(args, { DATABASE_URL: as(this.#empty.url, role) })
  }

  async #role(rights: string): Promise<string> {
    const role = `mistake_${randomBytes(6).toString('hex')}`
    const owner = await connect(this.#database.url)
    await owner.query(`create role ${role} ${rights}`)
    await owner.end()
    return role
  }
}

const STRICT = { NOETL_SECRET_AUDIT_REQUIRED: 'true' }

/** As that Node would have it: older programs than those that this runs on are not on every machine. */
const OLD_NODE = [
  '--import',
  `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'18.20.4'}})`,
]

function as(url: string, role: string): string {
  const other = new URL(url)
  other.username = role
  other.password = ''
  return other.href
}
