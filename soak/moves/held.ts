import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { otelAudit, type Place, tail } from './command-line.js'
import type { HonestTrail } from './honest-trail.js'
import { type Exported, expectProven, exported, idsOf, markAt, markIn, stored, verified } from './reading.js'
import type { Report } from '../check-report.js'

const LATE_ROWS = 7
const OLD_ROWS = 4
const ROWS_AFTER = 12
const MANY_LINES = '10000'

/** What was read of a trail before it was moved. */
export interface Before {
  readonly trail: HonestTrail
  /** An export that ended before the last rows came, and one of all rows. */
  readonly exports: { readonly early: Exported; readonly whole: Exported }
  /** What a `tail` ended with, before the last rows came. */
  readonly mark: string
  readonly stored: readonly string[]
  readonly signed: number
  /** Rows that were in the original's table when it was adopted name no transaction. */
  readonly foreign: number
}

/** How the rows come to where they are: by transactions of another server, or as they were. */
export type Arrival = 'foreign' | 'native'

/** Reads a trail that nobody will write to any more where it is. */
export async function readBefore(trail: HonestTrail): Promise<Before> {
  const { place, directory } = trail
  const early = await exported(place, directory, 'early')
  const mark = await markAt(place)
  await trail.append(place, LATE_ROWS)
  await trail.appendOld(OLD_ROWS)
  const whole = await exported(place, directory, 'whole')
  equal(whole.manifest.rows, early.manifest.rows + LATE_ROWS + OLD_ROWS)
  const signed = whole.manifest.rows - whole.manifest.unsigned
  const flags = ['--trust', await trail.trust(), '--anchors', trail.anchors]
  const { unsigned, foreign } = whole.manifest
  await expectProven(place, flags, { proven: signed, unsigned, foreign })
  return { trail, exports: { early, whole }, mark, signed, foreign, stored: await stored(place) }
}

/** Holds what is said of the moved trail against what was said of it before, and what comes after against what is there. */
export async function expectHeld(
  report: Report,
  before: Before,
  moved: Place,
  arrival: Arrival,
): Promise<void> {
  await expectRead(report, before, moved, arrival)
  await expectContinued(report, before, moved, arrival)
}

/** What the docs say of a trail that was moved so. */
function expectedOf({ trail, exports, signed, foreign }: Before, arrival: Arrival) {
  const { rows, unsigned } = exports.whole.manifest
  const isForeign = arrival === 'foreign'
  const restored = isForeign ? [`restored below ${BigInt(exports.whole.ids[0] ?? 0) + 1n}`] : []
  return {
    isForeign,
    rows,
    counts: { proven: signed, unsigned, foreign: isForeign ? rows : foreign },
    /** With the word of the move that the trust file needs. */
    trust: async (): Promise<string[]> => ['--trust', await trail.trust(...restored)],
    anchors: ['--anchors', trail.anchors],
  }
}

async function expectManifestsHold(
  { exports }: Before,
  moved: Place,
  trust: readonly string[],
): Promise<void> {
  for (const [name, { manifestFile }] of Object.entries(exports)) {
    const { code, report } = await verified(moved, [...trust, '--manifest', manifestFile])
    deepEqual({ code, findings: report.findings }, { code: 0, findings: {} }, name)
  }
}

/** Rows, export, verify and tail of what was moved. */
export async function expectRead(
  report: Report,
  before: Before,
  moved: Place,
  arrival: Arrival,
): Promise<void> {
  const { trail, exports, mark } = before
  const { isForeign, rows, counts, trust, anchors } = expectedOf(before, arrival)
  await report.check(`all ${rows} rows are there, with their digests and places`, async () => {
    deepEqual(await stored(moved), before.stored)
  })
  await report.check(
    `export writes the very file; ${counts.foreign} foreign rows are counted and said`,
    async () => {
      const here = await exported(moved, trail.directory, 'moved')
      deepEqual(
        { ids: here.ids, sha256: here.manifest.sha256, foreign: here.manifest.foreign },
        { ids: exports.whole.ids, sha256: exports.whole.manifest.sha256, foreign: counts.foreign },
      )
      match(here.stderr, new RegExp(`${counts.foreign} rows are foreign`))
      equal((await verified(moved, [...(await trust()), '--manifest', here.manifestFile])).code, 0)
    },
  )
  if (isForeign) {
    await report.check('verify finds row-foreign, and nothing else, without a word of the move', async () => {
      const { code, report: said } = await verified(moved, ['--trust', await trail.trust(), ...anchors])
      deepEqual([code, Object.keys(said.findings), said.foreign], [1, ['row-foreign'], rows])
    })
  }
  const withWord = isForeign ? ' with `restored below`' : ''
  await report.check(`verify proves all of it${withWord}, and every anchor holds`, async () => {
    await expectProven(moved, [...(await trust()), ...anchors], counts)
  })
  await report.check('verify --manifest holds of exports from before the move', async () => {
    await expectManifestsHold(before, moved, await trust())
  })
  await report.check('tail refuses the mark from before the move, and says how to go on', async () => {
    const { code, stdout, stderr } = await tail(['--since', mark], moved, 0)
    deepEqual([code, stdout], [2, ''], stderr)
    match(stderr, /--since is a mark of .*Begin without --since/)
  })
  await report.check('tail without it begins with the rows that came here', async () => {
    const { code, stdout, stderr } = await tail(['--lines', MANY_LINES], moved, rows)
    equal(code, 0, stderr)
    deepEqual(idsOf(stdout), exports.whole.ids.toReversed())
  })
}

/** Rows come here, and no mark of here says when. */
export async function expectSubscriberSaid(report: Report, moved: Place): Promise<void> {
  await report.check('tail and export say that rows come by replication', async () => {
    const said = /rows come here by logical replication: tail does not show them/
    match((await tail(['--lines', '0'], moved, 0)).stderr, said)
    match((await otelAudit(['export', '--unrecorded'], moved)).stderr, said)
  })
}

/** Services write to what was moved. */
export async function expectContinued(
  report: Report,
  before: Before,
  moved: Place,
  arrival: Arrival,
): Promise<void> {
  const { trail, exports } = before
  const { counts, trust, anchors } = expectedOf(before, arrival)
  await report.check('doctor finds no error, and migrate nothing to do', async () => {
    const doctor = await otelAudit(['doctor'], moved)
    equal(doctor.code, 0, doctor.stdout + doctor.stderr)
    const migrate = await otelAudit(['migrate', '--roles'], moved)
    equal(migrate.code, 0, migrate.stderr)
    match(migrate.stdout, /migrations +none were missing/)
  })
  await report.check(
    'what comes after is stored, tailed from the new mark, exported and proven',
    async () => {
      const since = await markAt(moved)
      const added = await trail.append(moved, ROWS_AFTER)
      const shown = await tail(['--lines', '0', '--since', since], moved, ROWS_AFTER)
      markIn(shown)
      deepEqual(idsOf(shown.stdout), added)
      const later = await exported(moved, trail.directory, 'later')
      deepEqual(later.ids, [...added.toReversed(), ...exports.whole.ids])
      equal(later.manifest.foreign, counts.foreign)
      const proven = counts.proven + ROWS_AFTER
      await expectProven(moved, [...(await trust()), ...anchors], { ...counts, proven })
    },
  )
  await report.check('and the exports from before the move hold still', async () => {
    await expectManifestsHold(before, moved, await trust())
  })
}

/** A trail that cannot be written to where it is says so by its cause, to everybody who would write. */
export async function expectRefused(
  report: Report,
  trail: HonestTrail,
  moved: Place,
  why: RegExp,
): Promise<void> {
  await report.check('doctor, migrate and a writer refuse it, and say why and what to do', async () => {
    const doctor = await otelAudit(['doctor'], moved)
    equal(doctor.code, 1)
    match(doctor.stdout, why)
    const migrate = await otelAudit(['migrate', '--roles'], moved)
    deepEqual([migrate.code === 0, why.test(migrate.stderr)], [false, true], migrate.stderr)
    await rejects(trail.append(moved, 1), why)
  })
}
