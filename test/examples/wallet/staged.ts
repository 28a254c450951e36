import { type DemoDatabase, openDatabase } from '../../../examples/wallet/demo/database.js'
import { type Stage, startStage } from '../../../examples/wallet/demo/stage.js'

export interface StageWithDatabase extends Stage {
  readonly database: DemoDatabase
  /** What the services said on standard error. */
  readonly said: readonly string[]
}

/** The services of the demo over the database at `url`, which gets migrated as a user would do it. */
export async function stageOver(
  url: string,
  env: Readonly<Record<string, string>> = {},
): Promise<StageWithDatabase> {
  const database = await openDatabase(url)
  const said: string[] = []
  try {
    const { writerUrl: databaseUrl, readerUrl } = database
    const stage = await startStage({ databaseUrl, readerUrl, env, log: (line) => said.push(line) })
    const close = async () => {
      await stage.close()
      await database.close()
    }
    return { ...stage, database, said, close }
  } catch (error) {
    await database.close()
    throw error
  }
}
