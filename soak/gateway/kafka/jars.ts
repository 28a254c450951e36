import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../../../test/support/postgres/package-root.js'

const run = promisify(execFile)
const POM = join(packageRoot(), 'soak', 'gateway', 'kafka', 'pom.xml')
const BUILT = join(packageRoot(), 'build', 'kafka')
/** What a broker of Kafka 4 runs on. */
const OLDEST_JAVA = 17

/** @returns what a broker of our own needs and is not there; undefined: nothing */
export async function missingForKafka(): Promise<string | undefined> {
  const java = await run('java', ['-version']).catch(() => undefined)
  // "17.0.9", and "1.8.0" before 9.
  const version = Number(/ version "(\d+)/.exec(java?.stderr ?? '')?.[1] ?? 0)
  if (version < OLDEST_JAVA) return `Java ${OLDEST_JAVA} or newer`
  if (existsSync(await directory())) return undefined
  return run('mvn', ['-version']).then(
    () => undefined,
    () => 'Maven',
  )
}

/**
 * The class path of Kafka and its tools, fetched once from Maven Central (54 MB).
 *
 * @throws Error with the end of what Maven said
 */
export async function kafkaClassPath(say: (what: string) => void): Promise<string> {
  const jars = await directory()
  if (!existsSync(jars)) await fetchTo(jars, say)
  return join(jars, '*')
}

/** Of these versions. */
async function directory(): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(POM))
    .digest('hex')
  return join(BUILT, digest.slice(0, 12))
}

async function fetchTo(jars: string, say: (what: string) => void): Promise<void> {
  say('fetching Kafka from Maven Central; this takes a minute, once')
  const work = `${jars}-${process.pid}`
  await mkdir(work, { recursive: true })
  try {
    await copyFile(POM, join(work, 'pom.xml'))
    const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
    await run('mvn', ['-q', '-B', copy, '-DoutputDirectory=lib'], { cwd: work })
    await rename(join(work, 'lib'), jars)
  } catch (error) {
    const { stderr, stdout, message } = error as { stderr?: string; stdout?: string; message: string }
    const said = (stderr || stdout || message).slice(-2000)
    throw new Error(`Kafka could not be fetched: ${said}`, { cause: error })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
