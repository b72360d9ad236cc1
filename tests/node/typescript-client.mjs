// The TypeScript SDK's client with an OAuth provider of its own, told what to do by lines on standard input.
// A URL that ends in /sse is spoken to by HTTP+SSE.
//   {"go": "connect"}                     tries to connect; prints {"authorize": URL} when a person is needed
//   {"go": "finish", "callback": URL}     what the browser was sent back to
//   {"go": "call", "name": …, "arguments": …}   calls a tool; prints {"result": …}
import { createInterface } from 'node:readline';
import { Client, SSEClientTransport, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

const [url, redirectUrl] = process.argv.slice(2);
const kept = {};
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const provider = {
  get redirectUrl() { return redirectUrl; },
  get clientMetadata() { return { client_name: 'TypeScript client', redirect_uris: [redirectUrl] }; },
  state: () => 'state-of-the-typescript-client',
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  redirectToAuthorization: (authorize) => say({ authorize: authorize.toString() }),
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
  saveDiscoveryState: (state) => { kept.discovery = state; },
  discoveryState: () => kept.discovery,
};

let client;
let transport;
const connect = async () => {
  client = new Client({ name: 'real-part', version: '1' });
  const Transport = url.endsWith('/sse') ? SSEClientTransport : StreamableHTTPClientTransport;
  transport = new Transport(new URL(url), { authProvider: provider });
  await client.connect(transport);
  say({ connected: true, issuer: kept.tokens?.issuer });
};

const commands = {
  connect,
  finish: async ({ callback }) => {
    await transport.finishAuth(new URL(callback).searchParams);
    await connect();
  },
  call: async ({ name, arguments: args }) => say({ result: await client.callTool({ name, arguments: args }) }),
  list: async () => say({ tools: (await client.listTools()).tools.map((tool) => tool.name) }),
  tokens: async () => say({ tokens: kept.tokens }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    await commands[command.go](command);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) say({ error: `${error.name}: ${error.message}` });
  }
}
