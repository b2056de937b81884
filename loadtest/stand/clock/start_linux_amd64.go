package clock

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// Supported tells whether Start can do anything.
const Supported = true

// Start starts a command, as its Start does, with a clock that can be set and is right at
// first. The caller waits for its end and then closes the clock.
func Start(command *exec.Cmd) (*Clock, error) {
	// Only the thread that starts it may let it go on.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Ptrace = true // it stops when its program is loaded
	if err := command.Start(); err != nil {
		return nil, err
	}
	c, err := install(command.Process.Pid)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("giving a process a clock of its own: %w", err), command.Process.Kill(), ended(command))
	}
	return c, nil
}

// ended waits for a process that was killed.
func ended(command *exec.Cmd) error {
	var killed *exec.ExitError
	if err := command.Wait(); !errors.As(err, &killed) {
		return err
	}
	return nil
}

// install gives a process that is about to stop its clock, and lets it go on.
func install(pid int) (_ *Clock, err error) {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return nil, fmt.Errorf("waiting for it to stop: %w", err)
	}
	if !status.Stopped() || status.StopSignal() != syscall.SIGTRAP {
		return nil, fmt.Errorf("it has not stopped where it should: wait status %#x", status)
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = memory.Close() // the reason is told already
		}
	}()
	at, size, err := findReader(pid, memory)
	if err != nil {
		return nil, err
	}
	code, offset := reader(at)
	if uint64(len(code)) > size {
		return nil, fmt.Errorf("%s has %d bytes, %d are needed", readerName, size, len(code))
	}
	// The pages are read-only, and private to the process once they are written: a
	// debugger may do that.
	if _, err := memory.WriteAt(code, int64(at)); err != nil {
		return nil, fmt.Errorf("replacing %s: %w", readerName, err)
	}
	if err := syscall.PtraceDetach(pid); err != nil {
		return nil, fmt.Errorf("letting it go on: %w", err)
	}
	return &Clock{memory, int64(offset)}, nil
}

// readerName is the function of the vDSO by which programs read all clocks.
const readerName = "__vdso_clock_gettime"

// findReader finds that function in a process: its address and its size.
func findReader(pid int, memory *os.File) (at, size uint64, err error) {
	from, to, err := findVDSO(pid)
	if err != nil {
		return 0, 0, err
	}
	image := make([]byte, to-from)
	if _, err := memory.ReadAt(image, int64(from)); err != nil {
		return 0, 0, fmt.Errorf("reading the vDSO: %w", err)
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, 0, fmt.Errorf("reading the vDSO: %w", err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return 0, 0, fmt.Errorf("reading the vDSO: %w", err)
	}
	for _, s := range symbols {
		if s.Name == readerName {
			return from + s.Value, s.Size, nil
		}
	}
	return 0, 0, errors.New("the vDSO has no " + readerName)
}

// findVDSO reads where the kernel has mapped it.
func findVDSO(pid int) (from, to uint64, err error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, err
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if strings.HasSuffix(lines.Text(), "[vdso]") {
			_, err := fmt.Sscanf(lines.Text(), "%x-%x", &from, &to)
			return from, to, err
		}
	}
	return 0, 0, errors.Join(errors.New("it has no vDSO"), lines.Err())
}

// reader is the function that takes the place of the vDSO's at an address, and the offset
// behind it, 0 yet, on a multiple of its size: so that it is never seen half written.
func reader(at uint64) (code []byte, offset uint64) {
	code = []byte{
		0xb8, 228, 0, 0, 0, //         mov  eax, 228          clock_gettime(edi, rsi)
		0x0f, 0x05, //                 syscall
		0x85, 0xff, //                 test edi, edi          CLOCK_REALTIME is 0
		0x75, 10, //                   jne  over the next two
		0x48, 0x8b, 0x0d, 0, 0, 0, 0, // mov rcx, [rip+offset]
		0x48, 0x01, 0x0e, //           add  [rsi], rcx        its seconds
		0xc3, //                       ret
	}
	const (
		word  = 8
		where = 14 // in the code: the distance to the offset, from the end of its instruction
	)
	offset = (at + uint64(len(code)) + word - 1) / word * word
	binary.LittleEndian.PutUint32(code[where:], uint32(offset-(at+where+4)))
	return append(code, make([]byte, offset+word-at-uint64(len(code)))...), offset
}
