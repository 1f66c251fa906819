import { assertEquals } from "@std/assert";
import { ManualClock } from "../time/clock.ts";
import { Budget, type Holder } from "./budget.ts";

const KIB = 1024;

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

/** Clients by name, each with what it holds. */
function world(bytes: number) {
  const clock = new ManualClock();
  const clients = new Map<string, Holder>();
  const shed: string[] = [];
  const told: number[] = [];
  const holders = { [Symbol.iterator]: () => clients.values() };
  const budget = new Budget(clock, holders, (count) => told.push(count), 2, 2 * bytes);
  const add = (name: string, heldBytes: number, isDispensable: boolean) => {
    clients.set(name, {
      heldBytes,
      isDispensable,
      shed() {
        shed.push(name);
        clients.delete(name);
      },
    });
    budget.watch();
  };
  return { clock, clients, shed, told, add };
}

pure("Budget leaves everybody alone who is within it", () => {
  const { clock, shed, add } = world(100 * KIB);
  for (let i = 0; i < 6; i++) add(String(i), 8 * KIB, true);
  clock.turn(1_000);
  assertEquals(shed, []);
});

pure("Budget closes the oldest of those that nobody is answered on, until there is room", () => {
  const { clock, shed, told, add } = world(100 * KIB);
  add("busy", 32 * KIB, false);
  for (const name of ["a", "b", "c", "d"]) add(name, 12 * KIB, true);
  clock.turn(1_000);
  assertEquals([shed, told], [["a", "b"], [2]]);
  clock.turn(1_000);
  assertEquals([shed, told], [["a", "b"], [2]]);
});

pure("Budget looks at nobody once all have gone, and again at who comes", () => {
  const { clock, clients, add } = world(100 * KIB);
  add("a", 0, true);
  clients.clear();
  clock.turn(1_000);
  assertEquals(clock.size, 0);
  add("b", 0, true);
  assertEquals(clock.size, 1);
});
