import assert from 'node:assert/strict'
import { exportingTo, type Program } from '../../test/support/program.js'
import { waitUntil } from '../../test/support/wait-until.js'
import type { Row } from '../database.js'
import type { Providers } from '../providers.js'
import type { Suite, World } from '../suite.js'
import { assertCovered, counted, countedIn, EXPORTING_METRICS, spansOf } from './telemetry.js'

/** A client in an application: `/<name>` reads a secret by it. */
export interface Route {
  readonly name: string
  /** As its row names it, with `orders-db` for the name; the name of a variable of the providers stands for its value. */
  readonly credential: string | ((name: string) => string)
  /** Which layer sees it where modules can be hooked. Elsewhere it is the wire. */
  readonly seen: 'client' | 'wire'
  readonly operation?: string
  /** How a refusal of its provider is recorded, where that is not as the others do. */
  readonly refusedAs?: string
  /** The oldest line of Node that its client runs on. */
  readonly since?: number
  /** It asks no provider, which could refuse. */
  readonly isLocal?: boolean
}

export interface Application {
  readonly name: string
  /** Packages whose versions are printed. */
  readonly about: readonly string[]
  readonly routes: readonly Route[]
  /** Whether modules can be hooked: not in a bundle. Default true. */
  readonly hooks?: boolean
  /** Makes it. @returns what `node` is given */
  prepare(world: World): Promise<readonly string[]>
  /** Default: of a program that says where it listens. */
  serve?(program: Program, world: World): Promise<Service>
  readonly env?: Readonly<Record<string, string>>
  /** Whether the OpenTelemetry of the process is another one than ours: then its spans are not ours to hold. Default false. */
  readonly isTracedByOthers?: boolean
}

export interface Service {
  /** @throws Error with status and text of an answer that is not 200 */
  get(path: string): Promise<string>
}

/** Instrumentations of others that put the message of an error into their own spans. */
const QUOTING: ReadonlySet<string> = new Set([
  '@opentelemetry/instrumentation-aws-sdk',
  '@opentelemetry/instrumentation-grpc',
])
/** The secret that is there. */
const NAME = 'orders-db'
/** How long a strict access may wait for its row: longer than a machine under load needs, in ms. */
const PATIENT = '60000'
/** The same while no row can be stored, in ms. */
const IMPATIENT = '500'

/**
 * Reads a secret by every client of an application that has no line about audit: async; strict; and strict while Postgres is
 * stopped, where none of them gets it. What a provider refuses is the provider's error throughout. Each access is a row, an
 * audit span below that of its request, and counted; the coverage says who has seen it. Afterwards the value is in no row, span,
 * metric or log.
 */
export function readingSuite(
  application: Application,
  providers: (world: World) => Promise<Providers>,
): Suite {
  const { name, about } = application
  return {
    name,
    about,
    async run(world) {
      const from = await providers(world)
      try {
        const args = await application.prepare(world)
        const reading = new Reading(world, application, args, from)
        await reading.reads('async')
        await reading.reads('strict')
        await reading.withholds()
        await world.check('the value is nowhere', () => reading.nowhere())
      } finally {
        await from.close()
      }
    },
  }
}

class Reading {
  readonly #world: World
  readonly #application: Application
  readonly #args: readonly string[]
  readonly #from: Providers
  readonly #routes: readonly Route[]
  readonly #logs: string[] = []

  constructor(world: World, application: Application, args: readonly string[], from: Providers) {
    this.#world = world
    this.#application = application
    this.#args = args
    this.#from = from
    this.#routes = application.routes.filter(({ since = 0 }) => !world.consumer.isOlderThan(since))
  }

  /** Every client reads what is there, and then what its provider refuses. */
  async reads(mode: 'async' | 'strict'): Promise<void> {
    const { database, check } = this.#world
    const program = this.#started({
      ...(mode === 'strict' && { NOETL_SECRET_AUDIT_REQUIRED: 'true' }),
      NOETL_SECRET_AUDIT_DEADLINE_MS: PATIENT,
    })
    const service = await this.#service(program)
    const before = (await database.rows()).length
    const coveredBefore = (await database.coverage()).length
    for (const route of this.#routes) {
      await check(`${mode}: ${route.name}`, () => this.#released(service, route))
    }
    const refusable = this.#routes.filter(({ isLocal }) => isLocal !== true)
    for (const { name } of refusable) {
      await check(`${mode}, refused: ${name}`, () => this.#refused(service, name))
    }
    const stored = async () => (await database.rows()).slice(before)
    await this.#observed(mode, stored, this.#routes.length + refusable.length)
    await this.#ended(program)
    const rows = await stored()
    await check(`${mode}: a row each`, async () => {
      assert.deepEqual(
        lastAttempts(rows).map((row) => said(row)),
        [
          ...this.#routes.map((route) => this.#expected(route)),
          ...refusable.map((route) => this.#expected(route, this.#from.refused)),
        ],
      )
    })
    const covered = (await database.coverage()).slice(coveredBefore)
    await check(`${mode}: coverage`, async () =>
      assertCovered(covered, rows, this.#application.hooks !== false),
    )
  }

  /** Before its end, which not every application lets us see to. */
  async #observed(mode: string, stored: () => Promise<readonly Row[]>, least: number): Promise<void> {
    const { receiver, check } = this.#world
    const rows = await waitUntil('the rows', async () => {
      const found = await stored()
      return found.length >= least && found
    })
    await check(`${mode}: metrics`, async () => {
      await waitUntil('the metrics', async () => counted(receiver).written >= (await stored()).length)
      assert.deepEqual(counted(receiver), countedIn(rows))
      return JSON.stringify(counted(receiver))
    })
    if (this.#application.isTracedByOthers === true) return
    await check(`${mode}: spans`, () => spansOf(receiver, rows))
  }

  async withholds(): Promise<void> {
    const { database, check } = this.#world
    const program = this.#started({
      NOETL_SECRET_AUDIT_REQUIRED: 'true',
      NOETL_SECRET_AUDIT_DEADLINE_MS: PATIENT,
      NOETL_SECRET_AUDIT_OUTAGE_DEADLINE_MS: IMPATIENT,
    })
    const service = await this.#service(program)
    for (const { name } of this.#routes) {
      await waitUntil(`${name} before`, () => service.get(`/${name}`).catch(() => false))
    }
    await database.stopServer()
    try {
      for (const { name, isLocal } of this.#routes) {
        await check(`strict, Postgres stopped: ${name}`, () => withheld(service, name))
        if (isLocal === true) continue
        await check(`strict, Postgres stopped, refused: ${name}`, () => this.#refused(service, name))
      }
    } finally {
      await database.startServer()
    }
    for (const route of this.#routes) {
      await check(`strict, Postgres again: ${route.name}`, async () => {
        await waitUntil('a secret again', () => service.get(`/${route.name}`).catch(() => false))
      })
    }
    await this.#ended(program)
  }

  /** Neither as it is, nor encoded. Providers quote it in the messages of their errors: these are in no row and span of ours. */
  async nowhere(): Promise<void> {
    const { database, receiver } = this.#world
    const { value } = this.#from
    const { rows } = await database.query('select secret_audit::text as row from noetl.secret_audit')
    const spans = receiver.spans.filter(({ scope }) => !QUOTING.has(scope))
    const places: readonly (readonly [string, unknown])[] = [
      ['a row', rows],
      ['a metric', receiver.points],
      ['a log', this.#logs],
      ...spans.map((span) => [`a span of ${span.scope}`, span] as const),
    ]
    for (const [place, content] of places) {
      const text = JSON.stringify(content)
      for (const encoding of ['utf8', 'base64', 'hex'] as const) {
        const form = Buffer.from(value).toString(encoding)
        assert.ok(!text.includes(form), `the value of a secret is in ${place}`)
      }
    }
  }

  #started(env: Readonly<Record<string, string>>): Program {
    const { consumer, database, receiver } = this.#world
    const { env: own } = this.#application
    return consumer.start(this.#args, {
      DATABASE_URL: database.url,
      ...exportingTo(receiver.url),
      ...EXPORTING_METRICS,
      ...this.#from.env,
      ...own,
      ...env,
    })
  }

  #service(program: Program): Promise<Service> {
    return this.#application.serve?.(program, this.#world) ?? Promise.resolve(program)
  }

  async #ended(program: Program): Promise<void> {
    await program.terminate()
    this.#logs.push(program.stdout, program.stderr)
  }

  async #released(service: Service, { name, isLocal }: Route): Promise<void> {
    const text = await service.get(`/${name}`)
    if (isLocal === true) assert.match(text, /^\d+ characters$/)
    else assert.equal(text, `${this.#from.value.length} characters`)
  }

  /** By its provider, whatever becomes of the row. */
  async #refused(service: Service, name: string): Promise<string> {
    const error = await errorOf(service, `/${name}?name=${this.#from.refused}`)
    assert.doesNotMatch(error, /AUDIT_|AuditError/)
    return error
  }

  #expected({ credential, operation = 'get_credential', seen, refusedAs }: Route, refused?: string): string {
    const layer = this.#application.hooks === false ? 'wire' : seen
    const asked = this.#asked(credential, refused)
    if (refused === undefined) return `${operation} ${asked} ok ${layer}`
    return `${operation} ${asked} ${refusedAs ?? this.#from.refusedAs} ${layer}`
  }

  #asked(credential: Route['credential'], refused: string | undefined): string {
    if (typeof credential === 'function') return credential(refused ?? NAME)
    const known = this.#from.env[credential] ?? credential
    if (refused === undefined) return known
    return known.includes(NAME) ? known.replace(NAME, refused) : refused
  }
}

/** Its own kind of error, in which our code can be found. */
async function withheld(service: Service, name: string): Promise<string> {
  const error = await errorOf(service, `/${name}`)
  assert.match(error, /AUDIT_\w+/)
  return error
}

/** What the application says about the error that it got. */
async function errorOf(service: Service, path: string): Promise<string> {
  const answer = await service.get(path).then(
    (text) => ({ text, isError: false }),
    (error: Error) => ({ text: error.message, isError: true }),
  )
  assert.ok(answer.isError, `it was released: ${answer.text}`)
  const [line = ''] = answer.text.split('\n')
  assert.match(line, /^503 /)
  return line.slice('503 '.length)
}

/** At the wire each attempt is a row: a provider under load may need more than one. */
function lastAttempts(rows: readonly Row[]): readonly Row[] {
  const isFollowed = ({ invocation, attempt }: Row): boolean =>
    invocation !== null &&
    rows.some((other) => other.invocation === invocation && Number(other.attempt) > Number(attempt))
  return rows.filter((row) => !isFollowed(row))
}

/** Without the address of a server, which is another one each time. */
const said = ({ operation, credential, outcome, seen }: Row): string =>
  `${operation} ${credential.replace(/^https?:\/\/[^/]+\//, '')} ${outcome} ${seen}`
