// Tests that begin at once, beside each other and before the others of their file: for those that wait for torc's own bounds
// nearly all of their time, each with a torc of its own. What fails is told by the test.

export const beside =
  (test: (name: string, run: () => Promise<void>) => void) =>
  (name: string, run: () => Promise<void>): void => {
    const running = run();
    running.catch(() => {});
    test(name, () => running);
  };
