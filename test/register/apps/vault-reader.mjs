// An application as its users write it: nothing of ours is in it.
import { createServer } from 'node:http'
import vault from 'node-vault'

const client = vault({ endpoint: process.env.READ_FROM, token: process.env.READ_WITH })

async function answer(request, response) {
  try {
    const { data } = await client.read(`secret/data${request.url}`)
    response.end(data.data.password)
  } catch (error) {
    response.writeHead(503).end(`${error.name} ${error.code ?? error.cause?.code ?? ''} ${error.message}`)
  }
}

const server = createServer((request, response) => void answer(request, response))
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`))
