import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that take longest, the longest first: 10 s and more. */
const LONGEST = [
  'examples/wallet/demo',
  'query/export',
  'examples/wallet/strict',
  'cli/spool-drain',
  'postgres/adopt/adopt',
  'failure-table/flood',
  'examples/wallet/branches',
  'exporter/lasting',
  'soak/soak',
  'cli/verify-attacks',
  'launcher/watchdog',
  'bench/bench',
  'bench/years',
  'register/end',
  'launcher/server',
  'postgres/partitions',
  'failure-table/killed',
  'cli/reading',
  'failure-table/connection-lost',
]

/** Begins with the files that take longest, so that no worker is alone at the end with one of them. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => rank(a) - rank(b))
  }
}

function rank({ moduleId }: TestSpecification): number {
  const index = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
  return index === -1 ? LONGEST.length : index
}
