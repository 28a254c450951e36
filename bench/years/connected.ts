import { Client } from 'pg'

/** Works on a connection of its own. */
export async function connected<T>(databaseUrl: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: databaseUrl })
  client.on('error', () => {}) // The pending query tells it too.
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
