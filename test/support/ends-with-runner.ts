// Loaded into each test file by test/run.ts. A runner that is killed cannot end what it started, and a file goes on by itself, with
// its clients and torcs: so the file looks whether it has another parent now, and then ends its group. First by asking, so that
// each torc ends its replicas, which are in groups of their own.

const LOOK_MS = 1000;
const GRACE_MS = 5000;

const runner = process.ppid;
const timer = setInterval(() => {
  if (process.ppid === runner) return;
  clearInterval(timer);
  process.on('SIGTERM', () => {});
  process.kill(-process.pid, 'SIGTERM');
  setTimeout(() => process.kill(-process.pid, 'SIGKILL'), GRACE_MS);
}, LOOK_MS).unref();
