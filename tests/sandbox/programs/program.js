// SPDX-License-Identifier: Apache-2.0
// What Node programs do: workers, files, digests, children, sockets to themselves.
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');

function work(number) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: number });
    worker.on('message', resolve);
    worker.on('error', reject);
  });
}

function speak() {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.end('over the loopback'));
    server.listen(0, '127.0.0.1', () => {
      const client = net.connect(server.address().port, '127.0.0.1');
      client.on('data', (data) => {
        server.close();
        resolve(data.toString());
      });
      client.on('error', reject);
    });
  });
}

async function main() {
  const squares = await Promise.all([1, 2, 3, 4].map(work));
  console.log('workers', squares.reduce((a, b) => a + b));
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'program-'));
  const names = Array.from({ length: 50 }, (_, n) => path.join(directory, `file-${n}`));
  await Promise.all(names.map((name) => fs.promises.writeFile(name, 'x'.repeat(1000))));
  console.log('files', fs.readdirSync(directory).length);
  fs.rmSync(directory, { recursive: true });
  console.log('digest', crypto.createHash('sha256').update('duet'.repeat(100000)).digest('hex'));
  console.log('child', execFileSync('sh', ['-c', 'echo from a child']).toString().trim());
  console.log('socket', await speak());
}

if (isMainThread) {
  main();
} else {
  parentPort.postMessage(workerData * workerData);
}
