import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { OtlpReceiver } from '../test/support/otlp-receiver.js'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { Consumer } from './consumer.js'
import { Database } from './database.js'
import { nodeBinary } from './node-binary.js'
import type { Stage } from './stage.js'
import type { Combination, Suite, World } from './suite.js'
import { type Versions, versionsOf } from './versions.js'

/** What one suite came to. */
export interface Result {
  readonly combination: string
  readonly suite: string
  readonly versions: Versions
  /** What passed, each with what it found. */
  readonly checks: readonly string[]
  /** What was wrong; undefined when nothing was. */
  readonly failure: string | undefined
}

/** Installs a combination, and runs those of its suites that are wanted. Never throws: what is wrong is a result. */
export async function* runCombination(
  stage: Stage,
  { name, node, packages, omitOptional, overrides, by, suites }: Combination,
): AsyncGenerator<Result> {
  const directory = join(stage.directory, name)
  let consumer: Consumer
  try {
    const binary = await nodeBinary(node, join(packageRoot(), 'build', 'matrix-nodes'))
    consumer = await Consumer.make({
      directory,
      node: binary,
      line: Number(node),
      packages,
      omitOptional,
      overrides,
      by,
      tarball: stage.tarball,
    })
  } catch (error) {
    const versions = { node, packages: [] }
    yield { combination: name, suite: 'install', versions, checks: [], failure: messageOf(error) }
    return
  }
  for (const suite of suites) {
    const versions = await versionsOf(consumer, suite.about ?? [])
    const { checks, failure } = await runSuite(stage, consumer, suite)
    yield { combination: name, suite: suite.name, versions, checks, failure }
  }
  await rm(directory, { recursive: true, force: true })
}

async function runSuite(
  { server }: Stage,
  consumer: Consumer,
  suite: Suite,
): Promise<{ checks: readonly string[]; failure: string | undefined }> {
  const receiver = await OtlpReceiver.start()
  const checks: string[] = []
  const check: World['check'] = async (name, run) => {
    try {
      const found = await run()
      checks.push(typeof found === 'string' ? `${name}: ${found}` : name)
    } catch (error) {
      throw new Error(`${name}: ${messageOf(error)}`, { cause: error })
    }
  }
  try {
    const database = await Database.create(server, `matrix_${randomBytes(4).toString('hex')}`, consumer)
    await suite.run({ consumer, database, receiver, check })
    return { checks, failure: undefined }
  } catch (error) {
    return { checks, failure: messageOf(error) }
  } finally {
    await consumer.quit()
    await receiver.close()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
