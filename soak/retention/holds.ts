import { setTimeout as sleep } from 'node:timers/promises'
import type { Report } from '../check-report.js'
import type { SeededRandom } from '../random.js'
import { unexpected } from './command-line.js'
import { resumed } from './kill.js'
import type { OldMonths } from './old-months.js'
import { Stall } from './stall.js'

const HELD = 'payments-eu'
/** Longest that one of a race begins before the other, in ms: what a command takes to start, and more. */
const LONGEST_START_MS = 400

/** What a hold is for: as long as it lasts, no row that it is about goes. In an archived trail with three months over. */
export async function checkHolds(
  report: Report,
  trail: OldMonths,
  races: number,
  random: SeededRandom,
): Promise<void> {
  const add = ['hold', 'add', '--credential', 'payments-*', '--reason', 'case 2025-17']
  const release = async (id: string): Promise<void> => {
    await trail.operator.expect(0, 'hold', 'release', '--id', id, '--reason', 'closed')
  }
  const retire = (month: number): readonly string[] => ['retire', '--before', trail.date(month + 1)]
  await report.check('while it is held, a month is not retired', async () => {
    await trail.operator.expect(0, ...add)
    const { stdout } = await resumed(trail, 1, ...retire(0))
    if (!stdout.includes('held: hold 1 on payments-* (case 2025-17)')) throw new Error(stdout)
    await mustHave(trail, 0)
    await release('1')
  })
  await report.check(
    'a hold that comes while the month is being retired wins: it is put back, and verifies',
    async () => {
      const stall = await Stall.at(trail, 'holds')
      const retiring = trail.operator.start(...retire(0))
      await stall.caught('otel-audit retire', () => (retiring.isOver ? retiring.said : undefined))
      // Behind it, and before the next time that the retirement looks.
      const holding = trail.operator.start(...add)
      await stall.caught('otel-audit hold', () => (holding.isOver ? holding.said : undefined))
      await stall.release()
      const [retired, held] = await Promise.all([retiring.over, holding.over])
      if (held.code !== 0) throw new Error(unexpected(add, 0, held))
      if (retired.code !== 1 || !retired.stdout.includes('it was attached again'))
        throw new Error(unexpected(retire(0), 1, retired))
      await mustHave(trail, 0)
      await trail.auditor.expect(0, 'verify', '--trust', trail.trust)
      await release('2')
    },
  )
  await report.check(`in ${races} races the hold wins, or says in which archive the month is`, async () => {
    let id = 2
    let month = 0
    for (let race = 0; race < races && month < 2; race++) {
      const [retiring, holding] = await started(trail, retire(month), add, random)
      const [retired, held] = await Promise.all([retiring.over, holding.over])
      if (held.code !== 0) throw new Error(unexpected(add, 0, held))
      id++
      const isGone = (await rowsOf(trail, month)) === 0
      if (isGone !== (retired.code === 0)) throw new Error(unexpected(retire(month), isGone ? 0 : 1, retired))
      if (isGone) {
        if (
          !held.stdout.includes(
            `${trail.partition(month)} was retired: it is in the archive ${trail.archive}`,
          )
        )
          throw new Error(`the month is gone, and the hold does not say where it is:\n${held.stdout}`)
        month++
      }
      await release(String(id))
    }
    await trail.auditor.expect(0, 'verify', '--trust', trail.trust, '--with-archive', trail.archive)
  })
}

/** Both, one of them a little before the other. */
async function started(
  { operator }: OldMonths,
  retire: readonly string[],
  add: readonly string[],
  random: SeededRandom,
) {
  const away = random.between(-LONGEST_START_MS, LONGEST_START_MS)
  const first = operator.start(...(away < 0 ? add : retire))
  await sleep(Math.abs(away))
  const second = operator.start(...(away < 0 ? retire : add))
  return away < 0 ? ([second, first] as const) : ([first, second] as const)
}

function rowsOf(trail: OldMonths, month: number): Promise<number> {
  return trail.owner(async (client) => {
    const { rows } = await client.query<{ rows: string }>(
      'select count(*) as rows from noetl.secret_audit where credential = $1 and audit_id >= $2 and audit_id < $3',
      [HELD, String(trail.bound(month)), String(trail.bound(month + 1))],
    )
    return Number(rows[0]?.rows)
  })
}

async function mustHave(trail: OldMonths, month: number): Promise<void> {
  if ((await rowsOf(trail, month)) === 0) throw new Error('the held rows are gone')
}

/** Rows that a hold is about, in the first months. */
export async function addHeldRows(trail: OldMonths, months: number): Promise<void> {
  const writer = trail.sink()
  for (let month = 0; month < months; month++) await trail.store(writer, trail.event(month, 77, HELD))
  await writer.close()
}
