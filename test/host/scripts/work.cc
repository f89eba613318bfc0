// C++: streams, exceptions through frames, threads, file system, regular expressions, random numbers
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <iomanip>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <shared_mutex>
#include <sstream>
#include <thread>
#include <vector>
namespace fs = std::filesystem;
struct Raii {
    const char *n;
    ~Raii() { std::cout << "~" << n << "\n"; }
};
static int deep(int n) {
    Raii r{"deep"};
    if (n == 0)
        throw std::runtime_error("bottom");
    return deep(n - 1) + 1;
}
thread_local int tls = 7;
int main() {
    fs::create_directories("cc.d/a/b");
    {
        std::ofstream o("cc.d/data");
        for (int i = 0; i < 20000; i++)
            o << i << '\t' << i * 2 << '\n';
    }
    std::ifstream in("cc.d/data");
    long sum = 0, a, b;
    while (in >> a >> b)
        sum += b;
    std::cout << sum << " " << fs::file_size("cc.d/data") << "\n";
    fs::copy("cc.d", "cc.e", fs::copy_options::recursive);
    fs::rename("cc.e", "cc.f");
    std::vector<std::string> names;
    for (auto &e : fs::recursive_directory_iterator("cc.f"))
        names.push_back(e.path().string());
    std::sort(names.begin(), names.end());
    for (auto &n : names)
        std::cout << n << "\n";
    std::cout << fs::remove_all("cc.f") << fs::remove_all("cc.d") << fs::exists("cc.f") << "\n";
    try {
        fs::file_size("none");
    } catch (fs::filesystem_error &e) {
        std::cout << e.code().value() << " " << e.what() << "\n";
    }
    try {
        deep(3);
    } catch (std::exception &e) {
        std::cout << e.what() << "\n";
    }
    std::vector<std::future<long>> fut;
    for (int t = 0; t < 6; t++)
        fut.push_back(std::async(std::launch::async, [t] {
            long s = 0;
            for (int i = 0; i < 200000; i++)
                s += i % (t + 1);
            if (t == 5)
                throw t;
            return s;
        }));
    for (auto &f : fut)
        try {
            std::cout << f.get() << "\n";
        } catch (int t) {
            std::cout << "threw " << t << "\n";
        }
    std::mutex m;
    std::condition_variable cv;
    std::shared_mutex sm;
    int turn = 0;
    std::atomic<int> count{0};
    std::vector<std::thread> ts;
    std::string log;
    for (int t = 0; t < 8; t++)
        ts.emplace_back([&, t] {
            tls += t;
            std::unique_lock l(m);
            cv.wait(l, [&] { return turn == t; });
            log += char('a' + t);
            turn++;
            cv.notify_all();
            l.unlock();
            for (int i = 0; i < 1000; i++) {
                std::shared_lock s(sm);
                count++;
            }
        });
    for (auto &t : ts)
        t.join();
    std::cout << log << count << tls << "\n";
    std::unique_lock l(m);
    auto t0 = std::chrono::steady_clock::now();
    std::cout << (cv.wait_for(l, std::chrono::milliseconds(20)) == std::cv_status::timeout)
              << (std::chrono::steady_clock::now() - t0 >= std::chrono::milliseconds(20)) << "\n";
    std::mt19937_64 g(42);
    std::map<int, int> h;
    for (int i = 0; i < 100000; i++)
        h[std::uniform_int_distribution<>(0, 9)(g)]++;
    for (auto &[k, v] : h)
        std::cout << k << ":" << v << " ";
    std::cout << std::setprecision(15) << 1.0 / 3 << std::hex << 255 << "\n";
    std::cout << std::regex_replace("a1b22", std::regex("[0-9]+"), "<$&>") << "\n";
    try {
        std::vector<char> v(1ull << 62);
    } catch (std::exception &e) {
        std::cout << e.what() << "\n";
    }
    std::cout << std::thread::hardware_concurrency() / 1000 << std::endl;
    return 10;
}
