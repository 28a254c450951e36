import { setTimeout as sleep } from 'node:timers/promises'
import { type PostgresServer, startPostgres } from '../../test/support/postgres/server.js'
import type { Report } from '../check-report.js'
import { SeededRandom } from '../random.js'
import { account, readKept } from './account.js'
import { unexpected } from './command-line.js'
import { addHeldRows, checkHolds } from './holds.js'
import { connected, free, type Kill, KILLS, killed, resumed } from './kill.js'
import { Load, Reader, Readers } from './load.js'
import { OldMonths } from './old-months.js'
import { ARCHIVE_STEPS, RETIRE_STEPS, startsOf, type Step } from './steps.js'
import type { Store } from './place.js'
import { checkTamperings, forgeRetention, mustName, withForgedRow } from './tamper.js'

export interface DrillOptions {
  /** Of each month. */
  readonly rows: number
  /** How long the reader is in the way. */
  readonly readerMs: number
  /** At random moments. */
  readonly kills: number
  /** Each step is killed in each way; else in one of them, in turn. */
  readonly everyWay: boolean
  readonly races: number
  readonly seed: number
  /** Where archives are put. */
  readonly store: Store
}

/** Two years, of which the last four months stay. */
const MONTHS = 23
const RETIRED = 20
/** Of the trail whose archives are swapped in, and whose months are held. */
const OTHER_MONTHS = 3

/** The drill of a trail that is kept for years: everything that may happen while months of it are archived and retired. */
export class Drill {
  readonly #report: Report
  readonly #options: DrillOptions
  readonly #random: SeededRandom
  readonly #server: PostgresServer
  readonly #trail: OldMonths
  readonly #load: Load

  private constructor(
    report: Report,
    options: DrillOptions,
    server: PostgresServer,
    trail: OldMonths,
    load: Load,
  ) {
    this.#report = report
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.#server = server
    this.#trail = trail
    this.#load = load
  }

  static async run(report: Report, options: DrillOptions): Promise<void> {
    const { rows, seed, store } = options
    const server = await startPostgres({ settings: { max_connections: '200' } })
    try {
      const trail = await OldMonths.write(server, 'wallet', { months: MONTHS, rows, seed, store })
      try {
        console.log(`a trail of ${MONTHS + 1} months, ${trail.stored.length} rows; seed ${seed}`)
        const drill = new Drill(report, options, server, trail, new Load(trail, RETIRED, seed))
        await drill.#run()
      } finally {
        await trail.close()
      }
    } finally {
      await server.close()
    }
  }

  async #run(): Promise<void> {
    try {
      await this.#archive()
      await this.#readerInTheWay()
      await this.#killAtEachStep()
      await this.#killAtRandom()
    } finally {
      await this.#load.end()
    }
    await this.#account()
    await this.#blocks()
    await this.#verified()
    const other = await OldMonths.write(this.#server, 'other', {
      months: OTHER_MONTHS,
      rows: 30,
      seed: this.#options.seed + 1,
      store: this.#options.store,
    })
    try {
      await addHeldRows(other, 2)
      await other.operator.expect(0, 'archive', '--before', other.date(2), '--to', other.archive)
      console.log(`\none archive, in ${this.#options.store.kind}`)
      await checkTamperings(this.#report, this.#trail, other.place)
      console.log('\na held credential')
      await checkHolds(this.#report, other, this.#options.races, this.#random)
    } finally {
      await other.close()
    }
    await this.#alteredRow()
    await this.#forged()
  }

  /** Ways of killing, for one step. */
  #ways(step: number): readonly Kill[] {
    return this.#options.everyWay ? KILLS : [KILLS[step % KILLS.length] ?? 'client']
  }

  async #archive(): Promise<void> {
    const trail = this.#trail
    const args = ['archive', '--before', trail.date(RETIRED), '--to', trail.archive, '--trust', trail.trust]
    console.log(`\narchive ${RETIRED} months to ${this.#options.store.kind}`)
    for (const [i, step] of ARCHIVE_STEPS.entries()) {
      for (const how of this.#ways(i)) await this.#killedAt(step, how, 0, args)
    }
    await this.#report.check('run again, it comes to its end', async () => {
      await resumed(trail, 0, ...args)
      const { stdout } = await resumed(trail, 0, ...args)
      if (!stdout.includes(`archived and proven, 0 rows, in ${trail.archive}; ${RETIRED} were before`))
        throw new Error(stdout)
    })
  }

  async #readerInTheWay(): Promise<void> {
    const trail = this.#trail
    const { readerMs } = this.#options
    const retire = ['retire', '--before', trail.date(1), '--trust', trail.trust]
    console.log(`\na reader of ${readerMs / 1000} s in the way`)
    const reader = await Reader.begin(trail)
    await this.#report.check(
      'a retirement without patience says who it is, and changes nothing',
      async () => {
        const { stdout } = await resumed(trail, 1, ...retire, '--patience', '0')
        if (!/: in the way: /.test(stdout) || !stdout.includes(`pid ${reader.pid} (a reader as `))
          throw new Error(stdout)
      },
    )
    this.#load.slowestMs()
    await this.#report.check(
      'with patience it waits, while writers go on, and retires the month',
      async () => {
        const args = [...retire, '--patience', '600']
        const retiring = trail.operator.start(...args)
        let meanwhile = 0
        try {
          // What it takes to start, and the check before, are not of the time that it waits.
          await connected(trail, retiring)
          const before = this.#load.granted.size
          await sleep(readerMs)
          meanwhile = this.#load.granted.size - before
          if (retiring.isOver) throw new Error(`it did not wait:\n${retiring.said}`)
        } finally {
          await reader.end()
        }
        const result = await retiring.over
        if (result.code !== 0) throw new Error(unexpected(args, 0, result))
        if (meanwhile === 0) throw new Error('nothing was stored meanwhile')
        console.log(
          `        ${meanwhile} strict records meanwhile, the slowest in ${Math.round(this.#load.slowestMs())} ms`,
        )
      },
    )
    await this.#nothingFound('afterwards')
  }

  async #killAtEachStep(): Promise<void> {
    console.log('\nretire, killed at each of its steps')
    const ways = this.#options.everyWay ? KILLS : (['in turn'] as const)
    for (const [i, way] of ways.entries()) {
      // The first month is retired.
      const month = i + 1
      const args = ['retire', '--before', this.#trail.date(month + 1), '--trust', this.#trail.trust]
      for (const [at, step] of RETIRE_STEPS.entries()) {
        const how = way === 'in turn' ? (KILLS[at % KILLS.length] ?? 'client') : way
        await this.#killedAt(step, how, month, args)
        await this.#nothingFound('meanwhile', true)
      }
      await this.#report.check('run again, it comes to its end', async () => {
        await resumed(this.#trail, 0, ...args)
      })
    }
  }

  async #killedAt(step: Step, how: Kill, month: number, args: readonly string[]): Promise<void> {
    const trail = this.#trail
    await this.#report.check(`${how} killed ${step.name}`, async () => {
      await free(trail)
      const { reached, end } = await step.prepare(trail)
      try {
        const command = trail.operator.start(...args)
        try {
          await reached(command)
        } finally {
          await killed(how, command, trail, this.#server)
        }
      } finally {
        await end()
      }
      await free(trail)
      await step.check(trail, trail.partition(month))
    })
  }

  async #killAtRandom(): Promise<void> {
    const trail = this.#trail
    const { kills } = this.#options
    const args = ['retire', '--before', trail.date(RETIRED), '--trust', trail.trust, '--patience', '600']
    console.log(`\nretire the rest, killed ${kills} times at random, with readers in the way all the time`)
    const readers = new Readers(trail, 500)
    try {
      await this.#report.check(
        `${kills} kills, each time resumed, and nothing found in between`,
        async () => {
          const counts = new Map<Kill, number>()
          for (let kill = 0; kill < kills; kill++) {
            await free(trail)
            const how = this.#random.pick(KILLS)
            const command = trail.operator.start(...args)
            await connected(trail, command)
            await sleep(this.#random.between(0, LONGEST_UNTIL_KILLED_MS))
            if (command.isOver) throw new Error(`it had ended before the kill ${kill}:\n${command.said}`)
            await killed(how, command, trail, this.#server)
            counts.set(how, (counts.get(how) ?? 0) + 1)
            await this.#mustVerify()
          }
          console.log(`        ${[...counts].map(([how, count]) => `${count} times the ${how}`).join(', ')}`)
        },
      )
    } finally {
      await readers.end()
    }
    await this.#report.check('run again, it comes to its end: all months are retired', async () => {
      await resumed(trail, 0, ...args)
      const { stdout } = await resumed(trail, 0, ...args)
      if (stdout !== 'there is nothing to retire\n') throw new Error(stdout)
    })
  }

  async #account(): Promise<void> {
    console.log('\nevery event, once')
    await this.#report.check('none is lost, late ones included', async () => {
      const { granted, refused, late } = this.#load
      if (refused.length > 0) throw new Error(`${refused.length} were refused: ${refused[0]}`)
      if (late === 0) throw new Error('no late event was stored')
      const expected = new Set([...this.#trail.stored, ...granted])
      console.log(`        ${account(await readKept(this.#trail), expected)}; ${late} were late`)
    })
  }

  async #blocks(): Promise<void> {
    await this.#report.check('the blocks of the months went with their rows', async () => {
      const [left, chains] = [await this.#oldBlocks(), await startsOf(this.#trail)]
      if (chains === 0) throw new Error('no chain begins later')
      if (left.old > left.all / 2) throw new Error(`${left.old} of ${left.all} blocks are of retired rows`)
      console.log(
        `        ${chains} chains begin later; ${left.old} of ${left.all} blocks are older than the bound`,
      )
    })
  }

  /** Blocks with rows, and those of which all rows are below the bound. */
  async #oldBlocks(): Promise<{ readonly old: number; readonly all: number }> {
    return this.#trail.owner(async (client) => {
      const { rows } = await client.query<{ old: string; all: string }>(
        `select count(*) filter (where max_id < $1) as old, count(*) as all from noetl.secret_audit_block
         where min_id is not null`,
        [String(this.#trail.bound(RETIRED))],
      )
      return { old: Number(rows[0]?.old), all: Number(rows[0]?.all) }
    })
  }

  async #verified(): Promise<void> {
    const trail = this.#trail
    console.log('\nverified')
    await this.#report.check('the archives, from their files alone', async () => {
      const verify = ['verify', '--trust', trail.trust, '--archive', trail.archive, '--format', 'json']
      const { stdout } = await trail.offline.expect(0, ...verify)
      console.log(`        ${rowsSaid(stdout)}`)
    })
    await this.#nothingFound('of the trail that is left')
    await this.#report.check('the trail with the archives', async () => {
      await trail.auditor.expect(0, 'verify', '--trust', trail.trust, '--with-archive', trail.archive)
    })
  }

  /** The row is foreign afterwards, put back as it was. */
  async #alteredRow(): Promise<void> {
    const trail = this.#trail
    await this.#report.check(
      'a row of a block that reaches over the bound, forged with its digest, is found',
      () =>
        withForgedRow(trail, trail.bound(RETIRED), async () => {
          mustName(
            await trail.auditor.run('verify', '--trust', trail.trust, '--format', 'table'),
            'block-root: ',
          )
        }),
    )
  }

  async #forged(): Promise<void> {
    console.log('\na retention row of a service’s key')
    const trail = this.#trail
    const month = RETIRED + 1
    await this.#report.check('does not count: the rows that it is about are missing', async () => {
      await forgeRetention(trail, month)
      const verify = ['verify', '--trust', trail.trust, '--format', 'table']
      mustName(await trail.auditor.run(...verify), 'retention-refused: ')
      await trail.owner((client) => client.query(`drop table noetl.${trail.partition(month)}`))
      mustName(await trail.auditor.run(...verify), 'row-missing: ')
    })
  }

  async #nothingFound(when: string, isQuiet = false): Promise<void> {
    if (isQuiet) return this.#report.quietly(`verify finds nothing ${when}`, () => this.#mustVerify())
    await this.#report.check(`verify finds nothing ${when}`, () => this.#mustVerify())
  }

  async #mustVerify(): Promise<void> {
    await this.#trail.auditor.expect(0, 'verify', '--trust', this.#trail.trust, '--format', 'table')
  }
}

/** From when a command has connected to where it has mostly come to the next month. */
const LONGEST_UNTIL_KILLED_MS = 1500

function rowsSaid(report: string): string {
  const { rows } = JSON.parse(report) as { rows: { proven: number; unsigned: number; partly: number } }
  return `${rows.proven} rows proven, ${rows.unsigned} without a block, ${rows.partly} in blocks of which a part is not known`
}
