import { parseArgs } from 'node:util'
import { installed, type Installations, NEWER, OLDER } from './moves/installation.js'
import { type Move, MOVES } from './moves/list.js'
import { Report } from './check-report.js'

const HELP = `Moves an honest trail in the ways in which databases are moved, and holds that export, tail and verify say of it there
what is true: the same rows, all of them proven, and which of them came by a move.

  npm run moves:check -- [--only <text>]

  --only  the moves alone whose name contains it

Needs an older Postgres (OLDER_POSTGRES_PATH, default ${OLDER.bin}) and a newer one (NEWER_POSTGRES_PATH, default
${NEWER.bin}), each with pg_dump, psql and pg_upgrade, beside the server of the npm package. Starts servers of its own, and
takes a few minutes. The exit code is 1 when something came out otherwise, and else 2 when a move was not checked, since
what it needs is not there.`

type Found = { readonly [Needed in keyof Installations]: Installations[Needed] | undefined }

function lacking({ needs }: Move, have: Found): string | undefined {
  const lacks = [OLDER, NEWER].filter(({ what }) => needs.includes(what) && have[what] === undefined)
  if (lacks.length === 0) return undefined
  return lacks
    .map(({ what, bin, advice }) => `there is no ${what} Postgres with its programs at ${bin}: ${advice}`)
    .join('; ')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { only: { type: 'string', default: '' }, help: { type: 'boolean', default: false } },
  })
  if (values.help) return console.log(HELP)
  const moves = MOVES.filter(({ name }) => name.includes(values.only))
  if (moves.length === 0) throw new Error(`--only: no move is called ${JSON.stringify(values.only)}`)
  const have = { older: await installed(OLDER), newer: await installed(NEWER) }
  if (moves.length < MOVES.length) console.log(`${moves.length} of ${MOVES.length} moves, by --only`)
  console.log(`older Postgres: ${have.older?.version ?? 'none'}; newer: ${have.newer?.version ?? 'none'}`)
  const report = new Report()
  for (const move of moves) {
    const why = lacking(move, have)
    if (why === undefined) await report.move(move.name, () => move.make(report, have as Installations))
    else report.lacks(move.name, why)
  }
  report.end()
  process.exitCode = report.exitCode
}

main().catch((error: unknown) => {
  console.error(`moves-check: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
