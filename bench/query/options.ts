import { parseArgs } from 'node:util'
import { wholeNumberOption } from '../number-option.js'
import { WINDOW_ROWS } from './fill.js'

export interface QueryBenchOptions {
  readonly rows: number
  /** Of each kind. */
  readonly queries: number
  readonly seed: number
}

export interface QueryBenchCommand extends QueryBenchOptions {
  readonly json: boolean
  readonly help: boolean
}

const DEFAULT_ROWS = 5_000_000
const DEFAULT_QUERIES = 200
const DEFAULT_SEED = 1

export const HELP = `Fills a trail, and measures how long it takes to read it: by credential and window, by execution, by outcome, the
first page and a deep one. Reports by which indexes Postgres found the rows, and in how many partitions it looked.

  npm run bench:query -- [--rows <n>] [--queries <n>] [--seed <n>] [--json]

  --rows     rows of the trail, ${WINDOW_ROWS} to 100,000,000 (default ${DEFAULT_ROWS})
  --queries  queries of each kind, 1 to 100,000 (default ${DEFAULT_QUERIES})
  --seed     decides the rows and the queries, 0 to 4294967295 (default ${DEFAULT_SEED})
  --json     the result as one JSON document, in the last line
  --help     this text

A small example:

  npm run bench:query -- --rows 200000 --queries 20

Starts a Postgres of its own, with its default settings. The exit code is 0 whatever the numbers are, and 1 when the
table does not have the rows it was filled with, or when something failed.`

/** @throws TypeError with a text for the user */
export function queryBenchOptions(args: readonly string[]): QueryBenchCommand {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string' },
      queries: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  return {
    rows: wholeNumberOption('--rows', values.rows, DEFAULT_ROWS, WINDOW_ROWS, 100_000_000),
    queries: wholeNumberOption('--queries', values.queries, DEFAULT_QUERIES, 1, 100_000),
    seed: wholeNumberOption('--seed', values.seed, DEFAULT_SEED, 0, 2 ** 32 - 1),
    json: values.json,
    help: values.help,
  }
}
