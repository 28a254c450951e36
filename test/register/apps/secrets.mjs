// An application as its users write it: plain HTTP to a Vault, and not a word of audit.
import { get } from 'node:http'

const { VAULT_ADDR } = process.env
const headers = { 'x-vault-token': 'hvs.hunter2-token' }

async function byFetch() {
  const response = await fetch(`${VAULT_ADDR}/v1/secret/data/fetched`, { headers })
  return response.text()
}

function byHttp() {
  return new Promise((resolve, reject) => {
    const request = get(`${VAULT_ADDR}/v1/secret/data/got`, { headers }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    })
    request.on('error', reject)
  })
}

for (const ask of [byFetch, byHttp]) {
  try {
    console.log(ask.name, (await ask()).length > 0 ? 'released' : 'empty')
  } catch (error) {
    console.log(ask.name, error.name, error.code)
  }
}
